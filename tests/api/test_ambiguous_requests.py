"""Requests that two readers may understand in two ways: they are refused, and nothing follows them.

A proxy in front may have seen one request where we see two, and let the second through unseen.
"""

import httpx
import pytest

from core.settings import Settings
from tests.api.conftest import Account
from tests.api.test_server import say, served

_SECOND = b"GET /v1/tenant HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\n\r\n"
_POST = b"POST /v1/lists HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
_BODY = b'{"name": "x"}'


_HEADS = {
    "CL.TE": b"Content-Length: 13\r\nTransfer-Encoding: chunked\r\n",
    "TE.CL": b"Transfer-Encoding: chunked\r\nContent-Length: 13\r\n",
    "two lengths": b"Content-Length: 13\r\nContent-Length: 0\r\n",
    "one length twice": b"Content-Length: 13\r\nContent-Length: 13\r\n",
    "list of lengths": b"Content-Length: 13, 13\r\n",
    "signed length": b"Content-Length: +13\r\n",
    "hexadecimal length": b"Content-Length: 0x0d\r\n",
    "length in two parts": b"Content-Length: 1 3\r\n",
    "space before the colon": b"Content-Length : 13\r\n",
    "vertical tab": b"Content-Length:\x0b13\r\n",
    "unknown coding": b"Transfer-Encoding: xchunked\r\n",
    "chunked is not the last": b"Transfer-Encoding: chunked, identity\r\n",
    "identity": b"Transfer-Encoding: identity\r\nContent-Length: 13\r\n",
    "tab.TE": b"Transfer-Encoding:\x0bchunked\r\nContent-Length: 13\r\n",
    "first line folded": b" Content-Length: 13\r\n",
    "obs-fold": b"X: a\r\n Content-Length: 13\r\nContent-Length: 13\r\n",
    "bare LF": b"X: a\nContent-Length: 13\r\n",
    "bare CR": b"X: a\rContent-Length: 13\r\n",
    "NUL in a value": b"X: a\x00b\r\nContent-Length: 13\r\n",
    "NUL in a name": b"X\x00: a\r\nContent-Length: 13\r\n",
    "no name": b": a\r\nContent-Length: 13\r\n",
    "two hosts": b"Host: y\r\nContent-Length: 13\r\n",
}
_CHUNKS = (
    b"0x3\r\nabc\r\n0\r\n\r\n",
    b"-1\r\nabc\r\n0\r\n\r\n",
    b"3\nabc\n0\n\n",
    b"3 ;a\nabc\r\n0\r\n\r\n",
)
_PATHS = (
    "//v1/tenant",
    "/v1//tenant",
    "/v1/./tenant",
    "/v1/../v1/tenant",
    "/v1/%2e%2e/v1/tenant",
    "/v1/tenant/",
    "/v1/tenant;x=1",
    "/v1/tenant%00",
    "/v1/tenant%0d%0aX-Injected:%201",
    "/v1/tenant%20",
    "/V1/tenant",
    "/v1%2ftenant",
    "/v1\\tenant",
    "/v1/lists/../tenant",
    "/docs/static/../../../../etc/passwd",
    "/docs/static/%2e%2e/%2e%2e/%2e%2e/etc/passwd",
    "/docs/static/..%2f..%2f..%2fetc%2fpasswd",
)


async def test_an_ambiguous_head_is_refused_and_nothing_after_it_is_heard(
    settings: Settings, tenant: Account
) -> None:
    credential = b"Authorization: Bearer " + tenant.api_key.encode() + b"\r\n"
    second = _SECOND % tenant.api_key.encode()
    async with served(settings) as port:
        for what, head in _HEADS.items():
            heard = await say(port, _POST + credential + head + b"\r\n" + _BODY + second)
            assert heard.startswith(b"HTTP/1.1 400 "), (what, heard[:200])
            assert heard.count(b"HTTP/1.1 ") == 1, what
            assert tenant.slug.encode() not in heard, what


async def test_a_chunk_whose_length_is_odd_ends_the_connection(
    settings: Settings, tenant: Account
) -> None:
    credential = b"Authorization: Bearer " + tenant.api_key.encode() + b"\r\n"
    head = _POST + credential + b"Transfer-Encoding: chunked\r\n\r\n"
    async with served(settings) as port:
        for chunk in _CHUNKS:
            heard = await say(port, head + chunk + _SECOND % tenant.api_key.encode())
            assert heard.count(b"HTTP/1.1 ") <= 1, chunk
            assert tenant.slug.encode() not in heard, chunk
            assert b" 20" not in heard[:20], chunk


async def test_another_way_to_write_an_address_is_another_address(
    settings: Settings, tenant: Account
) -> None:
    async with served(settings) as port:
        for path in _PATHS:
            request = (
                f"GET {path} HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n"
                f"Authorization: Bearer {tenant.api_key}\r\n\r\n"
            )
            heard = await say(port, request.encode())
            assert heard.startswith((b"HTTP/1.1 404 ", b"HTTP/1.1 400 ")), (path, heard[:100])
            # Nowhere else is pointed to, nothing of the address is said again.
            for said in (b"\r\nlocation:", b"injected", b"evil.example", b"root:"):
                assert said not in heard.lower(), path


@pytest.mark.parametrize("name", ["Idempotency-Key", "Authorization", "Content-Type"])
async def test_a_header_that_decides_and_comes_twice_is_refused(
    api: httpx.AsyncClient, name: str
) -> None:
    first = {"Content-Type": "application/json"}.get(name, api.headers.get(name, "first"))
    headers = [
        *api.headers.items(),
        ("Content-Type", "application/json"),
        ("Idempotency-Key", "first"),
    ]
    headers = [pair for pair in headers if pair[0].lower() != name.lower()]
    twice = [(name, first), (name, "text/plain" if name == "Content-Type" else "second")]
    client = httpx.AsyncClient(transport=api._transport, base_url=api.base_url)
    for order in (twice, twice[::-1]):
        answer = await client.post("/v1/lists", content=_BODY, headers=[*headers, *order])
        assert answer.status_code in {400, 401, 415}, answer.text
    assert (await api.get("/v1/lists")).json()["items"] == []
