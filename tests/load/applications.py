"""Applications whose endpoints are replaced one after the other, as the API server tells it."""

import asyncio
import ipaddress
import random

from world import RANGES

PORT, POD_PORT = 80, 8080
TIMEOUT_SECONDS = 10800
# Between new endpoint and the old one's end, and until the old one is gone.
OVERLAP_SECONDS, GRACE_SECONDS, PAUSE_SECONDS = (0.02, 0.1), (0.1, 0.4), (0.0, 0.8)
AT_ONCE_SHARE = 0.2  # of replacements are one event: the old one is gone, and the new one there
FIRST_POD = 257


class Pods:
    """Addresses, each used once: what happened to it is known by its own story alone."""

    def __init__(self):
        self.next = {4: FIRST_POD, 6: FIRST_POD}
        self.networks = {4: ipaddress.ip_network(RANGES["pods"][0]), 6: ipaddress.ip_network(RANGES["pods"][1])}

    def take(self, family):
        self.next[family] += 1
        return str(self.networks[family][self.next[family]])


class Endpoint:
    """Versions of the slice since which it is ready, is not any more, and is gone."""

    def __init__(self, address):
        self.address, self.ready, self.withdrawn, self.gone = address, None, None, None

    def json(self):
        going = self.withdrawn is not None
        return {"addresses": [self.address], "nodeName": "node-a",
                "conditions": {"ready": not going, "serving": True, "terminating": going}}


class Application:
    """A Service of one family, and its EndpointSlice: TCP and UDP, but with session affinity TCP alone."""

    def __init__(self, name, number, pods, count, sticky=False):
        self.name, self.pods, self.sticky = name, pods, sticky
        self.family = 4 if number % 2 else 6
        self.address = f"10.96.0.{number}" if self.family == 4 else f"fd00:96::{number}"
        self.endpoints = [Endpoint(pods.take(self.family)) for _ in range(count)]
        self.all = list(self.endpoints)
        self.protocols = ("TCP",) if sticky else ("TCP", "UDP")

    def metadata(self, name, **more):
        return {"namespace": "default", "name": name, "creationTimestamp": "2025-01-01T00:00:00Z", **more}

    def service(self):
        spec = {"type": "ClusterIP", "clusterIP": self.address, "clusterIPs": [self.address],
                "ipFamilies": [f"IPv{self.family}"], "ipFamilyPolicy": "SingleStack",
                "internalTrafficPolicy": "Cluster",
                "ports": [{"name": one.lower(), "protocol": one, "port": PORT} for one in self.protocols]}
        if self.sticky:
            spec["sessionAffinity"] = "ClientIP"
            spec["sessionAffinityConfig"] = {"clientIP": {"timeoutSeconds": TIMEOUT_SECONDS}}
        return {"apiVersion": "v1", "kind": "Service", "metadata": self.metadata(self.name), "spec": spec,
                "status": {"loadBalancer": {}}}

    def slice(self):
        return {"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": f"IPv{self.family}",
                "metadata": self.metadata(f"{self.name}-1", labels={"kubernetes.io/service-name": self.name}),
                "ports": [{"name": one.lower(), "protocol": one, "port": POD_PORT} for one in self.protocols],
                "endpoints": [one.json() for one in self.endpoints]}

    async def replace(self, server, rng):
        """One endpoint ends: it is terminating, then gone; before that there is a new one."""
        old, new = rng.choice(self.endpoints), Endpoint(self.pods.take(self.family))
        self.all.append(new)
        self.endpoints.append(new)
        if rng.random() < AT_ONCE_SHARE:
            self.endpoints.remove(old)
            new.ready = old.withdrawn = old.gone = self.tell(server)
            return
        new.ready = self.tell(server)
        await asyncio.sleep(rng.uniform(*OVERLAP_SECONDS))
        old.withdrawn = 0  # shows in the JSON
        old.withdrawn = self.tell(server)
        await asyncio.sleep(rng.uniform(*GRACE_SECONDS))
        self.endpoints.remove(old)
        old.gone = self.tell(server)

    def tell(self, server):
        """The version that this is."""
        server.put(self.slice())
        return server.store.version

    async def roll(self, server, seed, wanted):
        """Replaces as long as wanted() says so."""
        rng = random.Random(seed)
        while wanted():
            await self.replace(server, rng)
            await asyncio.sleep(rng.uniform(*PAUSE_SECONDS))
