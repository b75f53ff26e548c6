"""Where a request comes from, as a keyed digest: enough to count by, too little to find anybody."""

import hmac
from ipaddress import IPv6Address, IPv6Network, ip_address
from typing import Final

from starlette.requests import Request

from core.secrets import subkey

#: One customer of a provider has a network of this size: its 2^64 addresses are one.
_IPV6_PREFIX: Final = 64


def address_digest(request: Request) -> bytes:
    """32 bytes that are the same for the same IPv4 address or IPv6 network, with the same master.

    The address is the connection's own, or the one a trusted proxy has put in its place; no header
    of the request is read here.
    """
    return hmac.digest(subkey("client-address"), _network(request).encode(), "sha256")


def _network(request: Request) -> str:
    host = "" if request.client is None else request.client.host
    try:
        address = ip_address(host.partition("%")[0])
    except ValueError:
        return "unknown"
    if not isinstance(address, IPv6Address):
        return str(address)
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(IPv6Network((address, _IPV6_PREFIX), strict=False))
