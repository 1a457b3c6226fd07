"""Certificates for one run: an authority, and what it signs. By the openssl program."""

import pathlib
import subprocess

DAYS = "2"
CURVE = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]


def openssl(*words):
    done = subprocess.run(["openssl", *map(str, words)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"openssl {words[0]}: {done.stdout.strip()}")


class Authority:
    """Files NAME.crt and NAME.key in a folder; the authority's own name is "ca"."""

    def __init__(self, folder, name="kubernetes"):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.certificate, self.key = self.folder / "ca.crt", self.folder / "ca.key"
        openssl("req", "-x509", *CURVE, "-days", DAYS, "-subj", f"/CN={name}", "-keyout", self.key,
                "-out", self.certificate, "-addext", "keyUsage=critical,keyCertSign,digitalSignature")

    def sign(self, name, subject, extensions):
        """(certificate, key) of this subject, as paths."""
        request, certificate, key = (self.folder / f"{name}.{end}" for end in ("csr", "crt", "key"))
        openssl("req", *CURVE, "-subj", subject, "-keyout", key, "-out", request)
        (self.folder / f"{name}.ext").write_text("\n".join(extensions) + "\n")
        openssl("x509", "-req", "-in", request, "-CA", self.certificate, "-CAkey", self.key, "-CAcreateserial",
                "-days", DAYS, "-extfile", self.folder / f"{name}.ext", "-out", certificate)
        return certificate, key

    def server(self, names="IP:127.0.0.1,IP:::1,DNS:localhost"):
        return self.sign("server", "/CN=kube-apiserver",
                         [f"subjectAltName={names}", "extendedKeyUsage=serverAuth"])

    def client(self, user):
        return self.sign("client", f"/CN={user}", ["extendedKeyUsage=clientAuth"])
