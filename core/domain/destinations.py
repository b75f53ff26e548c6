"""Where a tenant may have us send requests: public servers, by https, on ordinary ports.

A tenant's address is an attacker's best tool against our own network (SSRF). So an address is
refused for its looks when it is saved (`check_destination`), and every IP address is judged again
at the moment of connecting (`why_forbidden`, used by core/outgoing.py): a name may answer with
another address by then. What isn't plainly public is forbidden; nothing is unwrapped or guessed.

Sources: IANA special-purpose address registries for IPv4 and IPv6, RFC 6890 and its updates, as
read on 2026-11-23; OWASP, SSRF prevention cheat sheet.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)
from types import MappingProxyType
from typing import Final

from core.errors import InvalidInput

IpAddress = IPv4Address | IPv6Address
IpNetwork = IPv4Network | IPv6Network

_DEFAULT_PORTS: Final[Mapping[str, int]] = MappingProxyType({"https": 443, "http": 80})
_MAX_LENGTH: Final = 2_048
_MAX_HOST: Final = 253
_URL: Final = re.compile(
    r"(?P<scheme>https?)://"
    r"(?P<host>\[[0-9A-Fa-f:.]{2,45}\]|[A-Za-z0-9._-]{1,253})"
    r"(?::(?P<port>[1-9][0-9]{0,4}))?"
    # Printable ASCII that needs no repair: what we read is what any other parser reads.
    r"(?P<rest>(?:/(?:[A-Za-z0-9._~!$&'()*+,;=:@/-]|%[0-9A-Fa-f]{2})*)?"
    r"(?:\?(?:[A-Za-z0-9._~!$&'()*+,;=:@/?-]|%[0-9A-Fa-f]{2})*)?)",
    re.ASCII,
)
_LABEL: Final = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?", re.ASCII)
_CANONICAL_V4: Final = re.compile(r"(?:(?:0|[1-9][0-9]{0,2})\.){3}(?:0|[1-9][0-9]{0,2})", re.ASCII)
#: A last label like these makes some resolvers read the whole name as one number.
_NUMERIC_LABEL: Final = re.compile(r"[0-9]+|0[xX][0-9A-Fa-f]*", re.ASCII)
#: Names that only mean something inside a network, or nothing at all (RFC 6761, 6762, 8375, 9476).
_LOCAL_SUFFIXES: Final = (
    *("localhost", "localdomain", "local", "internal", "intranet", "private", "corp", "home"),
    *("lan", "home.arpa", "arpa", "onion", "invalid", "test", "example", "alt", "cluster"),
)

_FORBIDDEN_V4: Final = tuple(
    IPv4Network(network)
    for network in (
        "0.0.0.0/8",  # this network; 0.0.0.0 reaches the machine itself
        "10.0.0.0/8",
        "100.64.0.0/10",  # carrier-grade NAT, and Alibaba's metadata
        "127.0.0.0/8",
        "168.63.129.16/32",  # Azure's platform address, inside every virtual network
        "169.254.0.0/16",  # link-local, and the metadata of most clouds
        "172.16.0.0/12",
        "192.0.0.0/24",  # protocol assignments, and Oracle's metadata
        "192.0.2.0/24",
        "192.31.196.0/24",
        "192.52.193.0/24",
        "192.88.99.0/24",  # 6to4 relays
        "192.168.0.0/16",
        "192.175.48.0/24",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/4",
        "240.0.0.0/4",
    )
)
#: Only global unicast can be public. That leaves out ::1, ::, ::ffff:0:0/96 (IPv4-mapped),
#: 64:ff9b::/96 and 64:ff9b:1::/48 (NAT64), fc00::/7, fe80::/10, ff00::/8, 5f00::/16 at once.
_GLOBAL_V6: Final = IPv6Network("2000::/3")
_FORBIDDEN_V6: Final = tuple(
    IPv6Network(network)
    for network in (
        "2001::/23",  # protocol assignments: Teredo, ORCHID, benchmarking
        "2001:db8::/32",
        "2002::/16",  # 6to4: an IPv4 address in disguise
        "2620:4f:8000::/48",
        "3fff::/20",
    )
)


class ForbiddenDestination(InvalidInput):
    """We send nothing there; `detail` says why, without saying what a name resolves to."""

    code = "forbidden-destination"


@dataclass(frozen=True, slots=True, kw_only=True)
class DestinationRules:
    """What an installation allows beyond the public internet.

    `allowed_networks` are reached although they aren't public (tests, on-premises); with any of
    them, local names pass too, for then the addresses they resolve to decide.
    """

    ports: frozenset[int] = frozenset({443, 8443})
    allow_http: bool = False
    allowed_networks: tuple[IpNetwork, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Destination:
    """A checked address: what was judged is what is connected to."""

    scheme: str
    host: str
    port: int
    #: Set when the host is an address and not a name.
    ip: IpAddress | None


def parse_networks(text: str) -> tuple[IpNetwork, ...]:
    """Networks separated by commas. Raises ValueError for what is no network in CIDR form."""
    return tuple(ip_network(part.strip()) for part in text.split(",") if part.strip())


def why_forbidden(ip: IpAddress, rules: DestinationRules) -> str | None:
    """Why no connection to this address may be made, or None when it may."""
    if any(ip in network for network in rules.allowed_networks):
        return None
    if isinstance(ip, IPv4Address):
        forbidden = any(ip in network for network in _FORBIDDEN_V4)
    else:
        forbidden = (
            ip.scope_id is not None
            or ip not in _GLOBAL_V6
            or any(ip in network for network in _FORBIDDEN_V6)
        )
    return "the address isn't on the public internet" if forbidden else None


def check_destination(url: str, rules: DestinationRules) -> Destination:
    """Take a URL apart and judge all that can be judged without asking DNS.

    Names must be ASCII (an international one in its `xn--` form), have at least two labels, and no
    dot at the end. Addresses only in their one canonical spelling. Raises ForbiddenDestination.
    """
    match = _URL.fullmatch(url) if len(url) <= _MAX_LENGTH else None
    if match is None:
        raise ForbiddenDestination(
            "must be https://host[:port]/path of printable ASCII, without user name or fragment"
        )
    scheme = match["scheme"]
    if scheme != "https" and not rules.allow_http:
        raise ForbiddenDestination("must begin with https://")
    port = int(match["port"] or _DEFAULT_PORTS[scheme])
    if port not in rules.ports:
        raise ForbiddenDestination(f"port {port} isn't one we send to")
    host = match["host"]
    ip = _literal(host)
    if ip is None:
        _check_name(host, rules)
    elif (reason := why_forbidden(ip, rules)) is not None:
        raise ForbiddenDestination(reason)
    return Destination(scheme=scheme, host=host.strip("[]").lower(), port=port, ip=ip)


def _literal(host: str) -> IpAddress | None:
    """The address that a host spells, None for a name. Raises for any other spelling."""
    if host.startswith("["):
        try:
            return ip_address(host[1:-1])
        except ValueError:
            raise ForbiddenDestination("the address in brackets isn't one of IPv6") from None
    if _CANONICAL_V4.fullmatch(host):
        try:
            return ip_address(host)
        except ValueError:
            raise ForbiddenDestination("the address isn't one of IPv4") from None
    if _NUMERIC_LABEL.fullmatch(host.rpartition(".")[2]):
        raise ForbiddenDestination("an IPv4 address must be written as four decimal numbers")
    return None


def _check_name(host: str, rules: DestinationRules) -> None:
    labels = host.lower().split(".")
    if len(host) > _MAX_HOST or not all(_LABEL.fullmatch(label) for label in labels):
        raise ForbiddenDestination("the host isn't a name of DNS: letters, digits, hyphens, dots")
    if rules.allowed_networks:
        return
    local = any(labels[-len(end) :] == end for end in (s.split(".") for s in _LOCAL_SUFFIXES))
    if len(labels) == 1 or local:
        raise ForbiddenDestination("the host is a name of local networks")
