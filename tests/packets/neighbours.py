"""Who asks on a link which hardware has an address, by ARP or neighbour discovery, and who answers."""

import asyncio
import ipaddress
import socket
import struct
import time

from program import Failed

PATIENCE_SECONDS = 4.0
ETH_P_ALL, ETH_P_ARP, ETH_P_IPV6 = 3, 0x0806, 0x86DD
PACKET_OUTGOING = 4
ARP_REQUEST, ARP_REPLY = 1, 2
ICMPV6, SOLICITATION, ADVERTISEMENT = 58, 135, 136
BROADCAST = b"\xff" * 6


async def answered(namespace, device, own, gateway, addresses):
    """Those of the addresses that the gateway on a link says are its own. It is asked itself, not the whole
    link: proxies of ARP or ND take their time with what the whole link is asked. `own` and `gateway` are
    pairs, IPv4 and IPv6. The gateway's own addresses are asked for in the end: once it has answered that,
    it has answered all it will."""
    with namespace.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL)) as wire:
        wire.bind((device, ETH_P_ALL))
        hardware = wire.getsockname()[4]
        wire.send(arp(hardware, BROADCAST, own[0], gateway[0]))
        router = (await collect(wire, {gateway[0]}))[gateway[0]]
        for address in [*addresses, *gateway]:
            if ":" in address:
                wire.send(solicitation(hardware, router, own[1], gateway[1], address))
            else:
                wire.send(arp(hardware, router, own[0], address))
        return set(await collect(wire, set(gateway))) - set(gateway)


async def collect(wire, awaited):
    """Address -> hardware of all answers that come before the last of the awaited."""
    found, end = {}, time.monotonic() + PATIENCE_SECONDS
    while awaited - found.keys():
        try:
            frame, address = wire.recvfrom(2048)
        except BlockingIOError:
            if time.monotonic() > end:
                raise Failed(f"nobody has {' '.join(sorted(awaited - found.keys()))}") from None
            await asyncio.sleep(0.002)
            continue
        if address[2] != PACKET_OUTGOING:
            found.update(read(frame))
    return found


def read(frame):
    """The address that an answer is about, and the hardware that is said to have it."""
    kind, = struct.unpack("!H", frame[12:14])
    if kind == ETH_P_ARP and frame[20:22] == struct.pack("!H", ARP_REPLY):
        return {str(ipaddress.ip_address(frame[28:32])): frame[22:28]}
    if kind == ETH_P_IPV6 and frame[20] == ICMPV6 and frame[54] == ADVERTISEMENT:
        return {str(ipaddress.ip_address(frame[62:78])): frame[6:12]}
    return {}


def arp(hardware, to, own, address):
    return (to + hardware + struct.pack("!HHHBBH", ETH_P_ARP, 1, 0x0800, 6, 4, ARP_REQUEST)
            + hardware + socket.inet_aton(own) + bytes(6) + socket.inet_aton(address))


def solicitation(hardware, to, own, router, address):
    addresses = b"".join(socket.inet_pton(socket.AF_INET6, one) for one in (own, router))
    message = socket.inet_pton(socket.AF_INET6, address) + b"\x01\x01" + hardware  # who asks: that hardware
    header = struct.pack("!BBHI", SOLICITATION, 0, 0, 0)
    total = sum(struct.unpack("!36H", addresses + struct.pack("!II", 8 + len(message), ICMPV6) + header + message))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    header = struct.pack("!BBHI", SOLICITATION, 0, ~total & 0xFFFF, 0)
    ipv6 = struct.pack("!IHBB", 6 << 28, 8 + len(message), ICMPV6, 255) + addresses
    return to + hardware + struct.pack("!H", ETH_P_IPV6) + ipv6 + header + message
