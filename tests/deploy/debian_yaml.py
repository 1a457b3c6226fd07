"""YAML as Debian's package python3-yaml reads it, whichever python3 this is; a key that stands twice
is an error."""

import sys

try:
    import yaml
except ImportError:
    sys.path.append("/usr/lib/python3/dist-packages")
    try:
        import yaml
    except ImportError:
        sys.exit("tests/deploy: needs Debian's package python3-yaml (contrib/packages.sh)")


class Loader(yaml.SafeLoader):
    def construct_mapping(self, node, deep=False):
        keys = [self.construct_object(key, deep=deep) for key, _ in node.value]
        for key in keys:
            if keys.count(key) > 1:
                raise yaml.YAMLError(f"{key} stands twice, {node.start_mark}")
        return super().construct_mapping(node, deep)


def documents(text):
    return [one for one in yaml.load_all(text, Loader) if one is not None]


def document(text):
    found = documents(text)
    if len(found) != 1:
        raise yaml.YAMLError(f"{len(found)} documents, not one")
    return found[0]


def dump(value):
    """As Helm's toYaml: keys sorted, blocks."""
    return yaml.safe_dump(value, default_flow_style=False, sort_keys=True).rstrip("\n")
