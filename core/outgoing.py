"""HTTP to addresses that tenants chose, guarded where it counts: at the connection.

`core.domain.destinations` judges; this module makes sure that what was judged is what is used. A
name is resolved once, by our resolver; one forbidden answer among many refuses all of them (a
server that mixes them is rebinding). aiohttp then connects to the very addresses it was given, and
the socket is made only for an address that passes again: also for hosts that are addresses, which
no resolver sees. Nothing of the environment (proxies, .netrc) and no redirect is followed.
"""

import asyncio
import socket
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from ipaddress import ip_address
from typing import Final

import aiohttp
from aiohappyeyeballs import AddrInfoType
from aiohttp.abc import AbstractResolver, ResolveResult

from core.domain.destinations import (
    Destination,
    DestinationRules,
    ForbiddenDestination,
    check_destination,
    why_forbidden,
)

AddressInfo = tuple[
    socket.AddressFamily, socket.SocketKind, int, str, tuple[str, int] | tuple[str, int, int, int]
]
Lookup = Callable[[str, int], Awaitable[list[AddressInfo]]]
"""Resolves a name: replaceable, so that a test can be the attacker's name server."""

#: Servers close idle connections after 5 s and more; we close first, or would post into the void.
_KEEPALIVE_SECONDS: Final = 4.0
_DNS_CACHE_SECONDS: Final = 10
#: getaddrinfo blocks a thread for as long as a hostile name server likes.
_RESOLVER_THREADS: Final = 64
_SAVE_LOOKUP_SECONDS: Final = 3.0
_MAX_ANSWERS: Final = 32


class ForbiddenAddress(OSError):
    """The address behind a name may not be connected to. An OSError: aiohttp hands it through."""


class GuardedResolver(AbstractResolver):
    """Resolves a name, or refuses it when any of its addresses is forbidden."""

    def __init__(self, rules: DestinationRules, lookup: Lookup | None = None) -> None:
        """`lookup` is getaddrinfo in threads of its own, unless given."""
        self._rules = rules
        self._threads = ThreadPoolExecutor(_RESOLVER_THREADS, thread_name_prefix="names")
        self._lookup = lookup or self._look_up

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """All addresses of `host`. Raises ForbiddenAddress, or OSError when there are none."""
        found = (await self._lookup(host, port))[:_MAX_ANSWERS]
        answers = [_answer(host, port, info) for info in found if family in (0, info[0])]
        if not answers:
            raise OSError(None, "the name has no address")
        for answer in answers:
            _require_allowed(answer["host"], self._rules)
        return answers

    async def close(self) -> None:
        """Wait for nobody: a thread may hang in a lookup."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def _look_up(self, host: str, port: int) -> list[AddressInfo]:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, _getaddrinfo, host, port)


def open_guarded_session(
    rules: DestinationRules, *, timeout_seconds: float, lookup: Lookup | None = None
) -> aiohttp.ClientSession:
    """A session that cannot connect to a forbidden address; close it at the end.

    `timeout_seconds` is a whole call's: lookup, connection, request and answer. How many calls are
    under way is the caller's to bound.
    """

    def make_socket(info: AddrInfoType) -> socket.socket:
        # The last line: aiohttp connects this socket to this address and no other.
        family, kind, protocol, _, address = info
        _require_allowed(str(address[0]), rules)
        return socket.socket(family=family, type=kind, proto=protocol)

    connector = aiohttp.TCPConnector(
        limit=0,
        resolver=GuardedResolver(rules, lookup),
        ttl_dns_cache=_DNS_CACHE_SECONDS,
        keepalive_timeout=_KEEPALIVE_SECONDS,
        socket_factory=make_socket,
    )
    return aiohttp.ClientSession(
        connector=connector,
        timeout=aiohttp.ClientTimeout(total=timeout_seconds),
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,
        trust_env=False,
    )


async def check_reachable_destination(
    url: str, rules: DestinationRules, lookup: Lookup | None = None
) -> Destination:
    """Judge a URL as when it is saved: by its looks, and by what its name answers now.

    A name that doesn't resolve yet passes: it is judged at every connection anyway. Raises
    ForbiddenDestination. Not inside a transaction, for it waits up to 3 s for DNS.
    """
    destination = check_destination(url, rules)
    if destination.ip is not None:
        return destination
    resolver = GuardedResolver(rules, lookup)
    try:
        async with asyncio.timeout(_SAVE_LOOKUP_SECONDS):
            await resolver.resolve(destination.host, destination.port)
    except ForbiddenAddress:
        raise ForbiddenDestination("the host isn't on the public internet") from None
    except (OSError, TimeoutError):
        return destination
    finally:
        await resolver.close()
    return destination


def _require_allowed(address: str, rules: DestinationRules) -> None:
    try:
        reason = why_forbidden(ip_address(address), rules)
    except ValueError:
        reason = "the answer isn't an address"
    if reason is not None:
        # No errno: aiohttp would take some for its own.
        raise ForbiddenAddress(None, reason)


def _answer(host: str, port: int, info: AddressInfo) -> ResolveResult:
    family, _, protocol, _, address = info
    return ResolveResult(
        hostname=host,
        host=str(address[0]),
        port=port,
        family=family,
        proto=protocol,
        flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
    )


def _getaddrinfo(host: str, port: int) -> list[AddressInfo]:
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_ADDRCONFIG)
    return [info for info in found if info[0] in (socket.AF_INET, socket.AF_INET6)]  # type: ignore[misc]
