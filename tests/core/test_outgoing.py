"""The guard at the connection: what was judged is what is connected to."""

import asyncio
import socket
from collections.abc import AsyncIterator
from ipaddress import ip_network

import aiohttp
import pytest
from aiohttp import web

from core.domain.destinations import DestinationRules, ForbiddenDestination
from core.outgoing import (
    AddressInfo,
    ForbiddenAddress,
    GuardedResolver,
    check_reachable_destination,
    open_guarded_session,
)

STRICT = DestinationRules(allow_http=True)
LOCAL = DestinationRules(allow_http=True, allowed_networks=(ip_network("127.0.0.1/32"),))


class Names:
    """A name server of the attacker's: each question gets the next answer, the last for ever."""

    def __init__(self, *answers: list[str]) -> None:
        self.answers = list(answers)
        self.asked = 0

    async def __call__(self, host: str, port: int) -> list[AddressInfo]:
        answer = self.answers[min(self.asked, len(self.answers) - 1)]
        self.asked += 1
        return [_info(address, port) for address in answer]


def _info(address: str, port: int) -> AddressInfo:
    if ":" in address:
        return (socket.AF_INET6, socket.SOCK_STREAM, 6, "", (address, port, 0, 0))
    return (socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))


class Inside:
    """A server on this machine that must not be reached."""

    def __init__(self) -> None:
        self.port = 0
        self.connections = 0
        self.requests = 0


@pytest.fixture
async def inside() -> AsyncIterator[Inside]:
    place = Inside()

    async def answer(request: web.Request) -> web.Response:
        place.requests += 1
        return web.Response(text="secret", headers={"Connection": "close"})

    app = web.Application()
    app.router.add_route("*", "/{any:.*}", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    place.port = runner.addresses[0][1]
    yield place
    await runner.cleanup()


async def get(url: str, rules: DestinationRules, names: Names | None = None) -> int:
    async with (
        open_guarded_session(rules, timeout_seconds=5, lookup=names) as session,
        session.get(url, allow_redirects=False) as response,
    ):
        return response.status


@pytest.mark.parametrize(
    "answers",
    [
        ["127.0.0.1"],
        ["8.8.8.8", "127.0.0.1"],
        ["127.0.0.1", "8.8.8.8"],
        ["::1"],
        ["::ffff:127.0.0.1"],
        ["64:ff9b::7f00:1"],
        ["2606:4700::6810:84e5", "10.0.0.1"],
        ["169.254.169.254"],
        ["fe80::1%eth0"],
        ["not an address"],
    ],
)
async def test_a_name_with_one_forbidden_answer_is_refused_as_a_whole(
    answers: list[str], inside: Inside
) -> None:
    with pytest.raises(aiohttp.ClientConnectorError) as refused:
        await get(f"http://hooks.example.com:{inside.port}/", STRICT, Names(answers))
    assert isinstance(refused.value.os_error, ForbiddenAddress)
    assert inside.requests == 0


async def test_a_name_that_changes_its_answer_between_save_and_call_is_not_followed(
    inside: Inside,
) -> None:
    names = Names(["8.8.8.8"], ["127.0.0.1"])
    url = "http://rebind.example.com/"
    rules = DestinationRules(allow_http=True, ports=frozenset({80, inside.port}))
    await check_reachable_destination(url, rules, names)
    with pytest.raises(aiohttp.ClientConnectorError) as refused:
        await get(f"http://rebind.example.com:{inside.port}/", rules, names)
    assert isinstance(refused.value.os_error, ForbiddenAddress)
    assert (names.asked, inside.requests) == (2, 0)


async def test_the_address_that_was_judged_is_the_one_connected_to(inside: Inside) -> None:
    """Rebinding between the check and the connection: there is no second question to answer."""
    names = Names(["127.0.0.1"], ["10.255.255.1"])
    assert await get(f"http://allowed.example.com:{inside.port}/", LOCAL, names) == 200
    assert (names.asked, inside.requests) == (1, 1)


async def test_each_new_connection_is_judged_anew(inside: Inside) -> None:
    names = Names(["127.0.0.1"], ["127.0.0.2"])
    url = f"http://flip.example.com:{inside.port}/"
    async with open_guarded_session(LOCAL, timeout_seconds=5, lookup=names) as session:
        async with session.get(url) as response:
            assert response.status == 200
        assert session.connector is not None
        session.connector.clear_dns_cache()  # type: ignore[attr-defined]
        with pytest.raises(aiohttp.ClientConnectorError) as refused:
            await session.get(url)
    assert isinstance(refused.value.os_error, ForbiddenAddress)
    assert inside.requests == 1


@pytest.mark.parametrize("host", ["127.0.0.1", "[::ffff:127.0.0.1]", "0.0.0.0"])
async def test_an_address_in_place_of_a_name_is_judged_at_the_socket(
    host: str, inside: Inside
) -> None:
    """aiohttp asks no resolver for these: without the check at the socket they'd be reached."""
    with pytest.raises(aiohttp.ClientConnectorError):
        await get(f"http://{host}:{inside.port}/", STRICT)
    assert inside.requests == 0


async def test_proxies_of_the_environment_are_not_used(
    inside: Inside, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{inside.port}")
    with pytest.raises(aiohttp.ClientConnectorError):
        await get("http://nowhere.example.com:1/", LOCAL, Names(["127.0.0.1"]))
    assert inside.requests == 0


async def test_a_forbidden_name_is_refused_when_it_is_saved() -> None:
    with pytest.raises(ForbiddenDestination) as refused:
        await check_reachable_destination("http://x.example.com/", STRICT_80, Names(["10.1.2.3"]))
    assert "10.1.2.3" not in refused.value.detail


async def test_a_name_that_does_not_resolve_yet_may_be_saved() -> None:
    async def nobody(host: str, port: int) -> list[AddressInfo]:
        raise OSError("no such name")

    saved = await check_reachable_destination("http://x.example.com/", STRICT_80, nobody)
    assert saved.host == "x.example.com"


async def test_hanging_lookups_do_not_hold_back_another_name(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    release = asyncio.Event()
    loop = asyncio.get_running_loop()

    def slow(host: str, port: int, **_: object) -> list[AddressInfo]:
        if host.startswith("slow"):
            asyncio.run_coroutine_threadsafe(release.wait(), loop).result(timeout=10)
        return [_info("8.8.8.8", port)]

    monkeypatch.setattr(socket, "getaddrinfo", slow)
    resolver = GuardedResolver(STRICT)
    hanging = [
        asyncio.create_task(resolver.resolve(f"slow{number}.example.com", 80))
        for number in range(40)
    ]
    try:
        answers = await resolver.resolve("quick.example.com", 80)
    finally:
        release.set()
        await asyncio.gather(*hanging)
        await resolver.close()
    assert [answer["host"] for answer in answers] == ["8.8.8.8"]


STRICT_80 = DestinationRules(allow_http=True, ports=frozenset({80}))
