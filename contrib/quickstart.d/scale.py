"""Adds a ready pod to a Service: scale.py SNAPSHOT SERVICE POD NODE ADDRESS

Prints the snapshot as the cluster would give it afterwards.
"""

import json
import sys


def main(path, service, pod, node, address):
    with open(path, encoding="utf-8") as file:
        cluster = json.load(file)
    for item in cluster["items"]:
        if item["metadata"].get("labels", {}).get("kubernetes.io/service-name") == service:
            item["endpoints"].append({
                "addresses": [address],
                "conditions": {"ready": True, "serving": True, "terminating": False},
                "nodeName": node,
                "targetRef": {"kind": "Pod", "name": pod, "namespace": item["metadata"]["namespace"]},
            })
    json.dump(cluster, sys.stdout, indent=4)


main(*sys.argv[1:])
