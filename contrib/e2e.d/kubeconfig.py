"""What a kubeconfig says of its current context: the server, and who we are. Reads JSON, and the YAML
that kubectl, kubeadm, kind and k3s write: mappings and lists in block style, short ones in braces."""

import base64
import json
import os
import pathlib
import re
import ssl
import tempfile


class Unusable(Exception):
    """What is wrong, and what to do."""


def scalar(text):
    text = text.strip()
    if text[:1] in "'\"":
        return json.loads(text) if text[0] == '"' else text[1:-1].replace("''", "'")
    if text[:1] == "{":
        return {key: scalar(value) for key, value in map(split, parts(text))}
    if text[:1] == "[":
        return [scalar(value) for value in parts(text)]
    return {"": None, "~": None, "null": None, "true": True, "false": False}.get(text, text)


def parts(text):
    """What commas separate within braces or brackets, but not within inner ones or quotes."""
    found, depth, quote = [""], 0, ""
    for char in text[1:-1]:
        if char == "," and not depth and not quote:
            found.append("")
            continue
        if quote:
            quote = "" if char == quote else quote
        elif char in "'\"":
            quote = char
        else:
            depth += (char in "{[") - (char in "}]")
        found[-1] += char
    return [part.strip() for part in found if part.strip()]


def split(text):
    """("key", rest) of "key: rest", or nothing."""
    match = re.match(r"""("[^"]*"|'[^']*'|[^\s'"{\[#][^:]*|):(?:\s+(.*)|$)""", text)
    return (scalar(match[1]), match[2] or "") if match else None


def block(lines, indent):
    """The value that begins at the first of the lines (indent, text), which are used up."""
    if lines[0][1].startswith("- ") or lines[0][1] == "-":
        found = []
        while lines and lines[0][0] == indent and lines[0][1][:2] in ("- ", "-"):
            rest = lines[0][1][1:]
            inner = indent + 1 + len(rest) - len(rest.lstrip())
            lines[0] = (inner, rest.strip())
            if not rest.strip():
                lines.pop(0)
                inner = lines[0][0] if lines else 0
            found.append(block(lines, inner) if rest.strip() == "" or split(rest.strip()) else scalar(lines.pop(0)[1]))
        return found
    found = {}
    while lines and lines[0][0] == indent:
        pair = split(lines[0][1])
        if pair is None:
            raise Unusable(f"cannot read the line {lines[0][1][:40]!r}")
        lines.pop(0)
        key, rest = pair
        # A list may stand as far to the left as its key.
        nested = lines and (lines[0][0] > indent or lines[0][0] == indent and lines[0][1][:2] in ("- ", "-"))
        found[key] = block(lines, lines[0][0]) if not rest and nested else scalar(rest)
    return found


def parse(text):
    if text.lstrip().startswith("{"):
        return json.loads(text)
    lines = [(len(line) - len(line.lstrip()), line.strip()) for line in text.splitlines()
             if line.strip() and not line.lstrip().startswith("#") and line.strip() != "---"]
    return block(lines, lines[0][0]) if lines else {}


class Kubeconfig:
    """The server's URL, a TLS context for it, and headers that say who we are."""

    def __init__(self, path):
        self.folder = pathlib.Path(path).resolve().parent
        try:
            config = parse(pathlib.Path(path).read_text())
            context = self.named(config, "contexts", config.get("current-context"))["context"]
            cluster = self.named(config, "clusters", context["cluster"])["cluster"]
            user = self.named(config, "users", context["user"])["user"] or {}
            self.server = cluster["server"].rstrip("/")
            self.tls = self.context(cluster, user)
        except (OSError, ssl.SSLError) as error:
            raise Unusable(f"{path}: {error}") from None
        except (KeyError, TypeError, ValueError, Unusable) as error:
            raise Unusable(f"{path}: not understood ({error}); write a plain one: "
                           "kubectl config view --raw --flatten --minify") from None
        self.tls_server_name = cluster.get("tls-server-name")
        self.headers = {}
        if "tokenFile" in user:
            self.headers["Authorization"] = "Bearer " + self.file(user["tokenFile"]).read_text().strip()
        elif "token" in user:
            self.headers["Authorization"] = f"Bearer {user['token']}"
        elif "exec" in user or "auth-provider" in user:
            raise Unusable(f"{path}: needs a token or a client certificate; a program that hands out credentials "
                           "is not run")

    @staticmethod
    def named(config, kind, name):
        for one in config.get(kind) or []:
            if one["name"] == name:
                return one
        raise Unusable(f"there is no {name!r} among its {kind}")

    def file(self, name):
        return self.folder / name

    def context(self, cluster, user):
        tls = ssl.create_default_context()
        if cluster.get("insecure-skip-tls-verify"):
            tls.check_hostname, tls.verify_mode = False, ssl.CERT_NONE
        elif "certificate-authority-data" in cluster:
            tls.load_verify_locations(cadata=base64.b64decode(cluster["certificate-authority-data"]).decode())
        elif "certificate-authority" in cluster:
            tls.load_verify_locations(self.file(cluster["certificate-authority"]))
        if "client-certificate-data" in user:
            with tempfile.TemporaryDirectory() as folder:  # ssl takes certificates from files alone
                paths = []
                for key in ("client-certificate-data", "client-key-data"):
                    paths.append(os.path.join(folder, key))
                    with open(os.open(paths[-1], os.O_WRONLY | os.O_CREAT, 0o600), "wb") as file:
                        file.write(base64.b64decode(user[key]))
                tls.load_cert_chain(*paths)
        elif "client-certificate" in user:
            tls.load_cert_chain(self.file(user["client-certificate"]), self.file(user["client-key"]))
        return tls
