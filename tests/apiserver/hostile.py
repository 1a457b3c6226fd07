"""Objects that no cluster should have, and that a proxy must live through. Each is the JSON of an
object without kind and apiVersion, as bytes; @VERSION@ stands for its resourceVersion."""

DEPTH = 100_000
LARGE_BYTES = 20 << 20


def metadata(name, more=b""):
    return b'{"metadata":{"name":"%s","namespace":"default","uid":"x","resourceVersion":"@VERSION@"%s}' % (
        name.encode(), more)


def deep(name):
    """Nested 100,000 levels."""
    return metadata(name) + b',"spec":{"ports":' + b"[" * DEPTH + b"]" * DEPTH + b"}}"


def deep_objects(name):
    return metadata(name) + b',"spec":' + b'{"a":' * DEPTH + b"1" + b"}" * DEPTH + b"}"


def large(name):
    """20 MB, most of it an annotation."""
    return (metadata(name, b',"annotations":{"a":"' + b"x" * LARGE_BYTES + b'"}')
            + b',"spec":{"clusterIP":"10.96.7.7","ports":[]}}')


def bad_utf8(name):
    return (metadata(name, b',"annotations":{"a":"\xff\xfe\xc0\xaf"}')
            + b',"spec":{"clusterIP":"\xed\xa0\x80","ports":[]}}')


def wrong_types(name):
    return metadata(name, b',"labels":["a"],"creationTimestamp":{}') + (
        b',"spec":{"clusterIP":7,"clusterIPs":{},"ports":"80","type":[],"externalIPs":[1,null,{}],'
        b'"ipFamilies":"IPv4","sessionAffinityConfig":3},"status":[]}')


def nulls(name):
    return metadata(name, b',"labels":null,"annotations":null,"creationTimestamp":null') + (
        b',"spec":{"clusterIP":null,"clusterIPs":[null],"ports":[null,{"port":null,"protocol":null,"name":null}],'
        b'"type":null,"externalIPs":null,"ipFamilies":null},"status":null}')


def null_everywhere(name):
    return metadata(name) + b',"spec":null,"status":null}'


def large_numbers(name):
    return metadata(name) + (
        b',"spec":{"clusterIP":"10.96.7.8","ports":['
        b'{"port":99999999999999999999999999,"nodePort":-1,"protocol":"TCP"},'
        b'{"port":1e400,"protocol":"TCP"},{"port":80.5,"protocol":"UDP"}]}}')


SERVICES = (deep, deep_objects, large, bad_utf8, wrong_types, nulls, null_everywhere, large_numbers)


def slice_of(name, text):
    return metadata(name, b',"labels":{"kubernetes.io/service-name":"web"}') + text


SLICES = {  # what follows the metadata
    "wrong types": b',"addressType":4,"endpoints":{"addresses":[]},"ports":[[]]}',
    "nulls": b',"addressType":"IPv4","endpoints":[null,{"addresses":null,"conditions":null}],"ports":[null]}',
    "deep": b',"addressType":"IPv4","endpoints":' + b"[" * DEPTH + b"]" * DEPTH + b',"ports":null}',
    "bad addresses": b',"addressType":"IPv4","endpoints":[{"addresses":["999.1.1.1"]},{"addresses":["fd00::1"]},'
                     b'{"addresses":[""]}],"ports":[{"name":"","port":8080,"protocol":"TCP"}]}',
}
