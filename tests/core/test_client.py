"""The Cloud API client against real sockets: what each failure means for a message."""

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from core.errors import ConfigurationError, InvalidInput, MetaError, MetaUnreachable
from core.whatsapp.call_limits import USAGE_HEADER
from core.whatsapp.client import CloudApi, SendAccepted, open_session
from core.whatsapp.payloads import addressed, template_message, text_message
from sandbox.answers import usage

TOKEN = "EAAcanary"
MESSAGE = addressed(text_message("oi"), to="+5511987654321", callback_token="c1.a.b")

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
RawServer = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def meta(handler: Handler) -> AsyncIterator[CloudApi]:
    """A client of an HTTP server that answers every path with `handler`."""
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", handler)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    async with open_session(max_connections=4, timeout_seconds=0.5) as session:
        yield CloudApi(f"http://{host}:{port}", "v26.0", TOKEN, session)
    await runner.cleanup()


@asynccontextmanager
async def raw_meta(
    serve: RawServer, *, scheme: str = "http", tls: ssl.SSLContext | None = None
) -> AsyncIterator[CloudApi]:
    """A client of a TCP server that behaves as badly as `serve` says."""
    running: list[asyncio.Task[None]] = []

    async def run(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        running.append(own_task())
        with suppress(asyncio.IncompleteReadError, OSError):
            await serve(reader, writer)
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()

    server = await asyncio.start_server(run, "127.0.0.1", 0, ssl=tls)
    port = server.sockets[0].getsockname()[1]
    scheme = scheme if tls is None else "https"
    async with open_session(max_connections=1, timeout_seconds=0.5) as session:
        yield CloudApi(f"{scheme}://127.0.0.1:{port}", "v26.0", TOKEN, session)
    server.close()
    await asyncio.gather(*running)


def own_task() -> asyncio.Task[None]:
    task: asyncio.Task[None] | None = asyncio.current_task()
    assert task is not None
    return task


async def fate(api: CloudApi) -> MetaUnreachable:
    with pytest.raises(MetaUnreachable) as raised:
        await api.send_message("1065", MESSAGE)
    assert TOKEN not in str(raised.value)
    assert "+5511987654321" not in str(raised.value)
    return raised.value


def answers(status: int, body: object, **headers: str) -> Handler:
    async def handler(_request: web.Request) -> web.StreamResponse:
        text = body if isinstance(body, str) else json.dumps(body)
        return web.Response(status=status, text=text, headers=headers)

    return handler


@pytest.mark.asyncio
async def test_a_send_carries_token_address_and_callback_as_documented() -> None:
    seen: dict[str, object] = {}

    async def handler(request: web.Request) -> web.StreamResponse:
        seen.update(path=request.path_qs, token=request.headers["Authorization"])
        seen["body"] = await request.json()
        return web.json_response(
            {
                "messaging_product": "whatsapp",
                "contacts": [{"input": "+5511987654321", "wa_id": "551187654321"}],
                "messages": [{"id": "wamid.X"}],
            }
        )

    message = template_message(name="hi", language="pt_BR", components=[{"type": "body"}])
    payload = addressed(message, to="+5511987654321", callback_token="c1.a.b")
    async with meta(handler) as api:
        accepted = await api.send_message("1065", payload)
    assert accepted == SendAccepted(
        wamid="wamid.X", wa_id="551187654321", user_id=None, message_status="accepted"
    )
    assert seen["path"] == "/v26.0/1065/messages"
    assert seen["token"] == f"Bearer {TOKEN}"
    assert seen["body"] == {
        "messaging_product": "whatsapp",
        "recipient_type": "individual",
        "to": "+5511987654321",
        "biz_opaque_callback_data": "c1.a.b",
        "type": "template",
        "template": {
            "name": "hi",
            "language": {"code": "pt_BR"},
            "components": [{"type": "body"}],
        },
    }


@pytest.mark.asyncio
@pytest.mark.parametrize("status", [200, 201, 202])
async def test_any_2xx_with_a_message_id_is_accepted(status: int) -> None:
    body = {"messages": [{"id": "wamid.X", "message_status": "held_for_quality_assessment"}]}
    async with meta(answers(status, body)) as api:
        accepted = await api.send_message("1065", MESSAGE)
    assert (accepted.wamid, accepted.held) == ("wamid.X", True)


@pytest.mark.asyncio
@pytest.mark.parametrize("status", [400, 403, 429, 500])
@pytest.mark.parametrize("code", [130429, "130429"])
async def test_an_error_envelope_is_told_in_full_whatever_the_status(
    status: int, code: object
) -> None:
    error = {
        "message": "(#130429) Rate limit hit",
        "code": code,
        "error_subcode": 2494055,
        "error_data": {"details": "slow down"},
        "fbtrace_id": "Az8",
    }
    async with meta(answers(status, {"error": error}, **{"Retry-After": "7"})) as api:
        with pytest.raises(MetaError) as raised:
            await api.send_message("1065", MESSAGE)
    told = raised.value
    assert (told.meta_code, told.subcode, told.details) == (130429, 2494055, "slow down")
    assert (told.http_status, told.fbtrace_id, told.retry_after_seconds) == (status, "Az8", 7)


@pytest.mark.asyncio
async def test_a_call_limit_is_told_with_the_minutes_that_meta_estimates() -> None:
    used = usage("102", 12).decode()
    error = {"message": "(#80007) Rate limit issues", "code": 80007}
    async with meta(answers(429, {"error": error}, **{USAGE_HEADER: used})) as api:
        with pytest.raises(MetaError) as raised:
            await api.send_message("1065", MESSAGE)
    assert raised.value.retry_after_seconds == 720


@pytest.mark.asyncio
async def test_error_data_may_be_plain_text() -> None:
    error = {"message": "m", "code": 131009, "error_data": "plain"}
    async with meta(answers(400, {"error": error})) as api:
        with pytest.raises(MetaError) as raised:
            await api.send_message("1065", MESSAGE)
    assert raised.value.details == "plain"


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("status", "body"),
    [
        (200, "<html>hello</html>"),
        (200, {}),
        (200, {"messages": []}),
        (200, {"messages": [{"id": None}]}),
        (200, "[]"),
        (302, ""),
        (404, "<html>not here</html>"),
        (500, ""),
        (502, "<html>bad gateway</html>"),
        (503, {"error": "not an object"}),
        (200, "x" * 5_000_000),
    ],
)
async def test_an_answer_without_envelope_or_message_id_is_in_doubt(
    status: int, body: object
) -> None:
    async with meta(answers(status, body)) as api:
        unreachable = await fate(api)
    assert unreachable.before_bytes is False
    assert unreachable.http_status == status


@pytest.mark.asyncio
async def test_a_redirect_is_never_followed_with_the_token() -> None:
    paths: list[str] = []

    async def handler(request: web.Request) -> web.StreamResponse:
        paths.append(request.path)
        return web.Response(status=307, headers={"Location": "/elsewhere"})

    async with meta(handler) as api:
        assert (await fate(api)).before_bytes is False
    assert paths == ["/v26.0/1065/messages"]


@pytest.mark.asyncio
async def test_a_refused_connection_is_before_bytes() -> None:
    async with open_session(max_connections=1, timeout_seconds=0.5) as session:
        assert (await fate(CloudApi("http://127.0.0.1:1", "v26.0", TOKEN, session))).before_bytes


@pytest.mark.asyncio
async def test_an_unknown_host_is_before_bytes() -> None:
    async with open_session(max_connections=1, timeout_seconds=2) as session:
        api = CloudApi("http://meta.invalid", "v26.0", TOKEN, session)
        assert (await fate(api)).before_bytes


@pytest.mark.asyncio
async def test_a_failed_tls_handshake_is_before_bytes() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(100)
        writer.write(b"HTTP/1.1 400 no TLS here\r\n\r\n")
        writer.close()

    async with raw_meta(serve, scheme="https") as api:
        assert (await fate(api)).before_bytes


@pytest.mark.asyncio
async def test_a_tls_handshake_that_never_ends_is_before_bytes() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    async with raw_meta(serve, scheme="https") as api:
        assert (await fate(api)).before_bytes


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "answer", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{", b"junk\r\n"]
)
async def test_a_connection_lost_after_the_request_is_after_bytes_and_not_repeated(
    answer: bytes,
) -> None:
    requests = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal requests
        requests += 1
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        writer.close()

    async with raw_meta(serve) as api:
        assert (await fate(api)).before_bytes is False
    assert requests == 1


@pytest.mark.asyncio
async def test_a_connection_reset_after_the_request_is_after_bytes() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.transport.abort()

    async with raw_meta(serve) as api:
        assert (await fate(api)).before_bytes is False


@pytest.mark.asyncio
async def test_a_kept_alive_connection_that_was_closed_is_after_bytes() -> None:
    served = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal served
        served += 1
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
        await reader.readexactly(length)
        body = b'{"messages":[{"id":"wamid.X"}]}'
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
        # The second request on this connection is read and never answered.
        await reader.readuntil(b"\r\n\r\n")
        writer.transport.abort()

    async with raw_meta(serve) as api:
        assert (await api.send_message("1065", MESSAGE)).wamid == "wamid.X"
        assert (await fate(api)).before_bytes is False
    assert served == 1


@pytest.mark.asyncio
async def test_silence_after_the_request_is_after_bytes() -> None:
    async def handler(_request: web.Request) -> web.StreamResponse:
        await asyncio.sleep(2)
        return web.Response()

    async with meta(handler) as api:
        assert (await fate(api)).before_bytes is False


@pytest.mark.asyncio
async def test_an_answer_that_drips_is_cut_at_the_whole_call_s_time() -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        for _ in range(20):
            await response.write(b" ")
            await asyncio.sleep(0.2)
        return response

    async with meta(handler) as api:
        started = asyncio.get_running_loop().time()
        assert (await fate(api)).before_bytes is False
        assert asyncio.get_running_loop().time() - started < 1.5


@pytest.mark.asyncio
async def test_running_out_of_time_while_waiting_for_a_connection_is_before_bytes() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    async with raw_meta(serve) as api:  # one connection only
        first, second = await asyncio.gather(fate(api), fate(api))
    assert sorted([first.before_bytes, second.before_bytes]) == [False, True]


@pytest.mark.asyncio
async def test_with_a_foreign_session_only_connector_errors_are_before_bytes() -> None:
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=0.3)) as session:
        assert (await fate(CloudApi("http://127.0.0.1:1", "v26.0", TOKEN, session))).before_bytes

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.close()

    async with raw_meta(serve) as own, aiohttp.ClientSession() as session:
        api = CloudApi(own.base_url, "v26.0", TOKEN, session)
        assert (await fate(api)).before_bytes is False


@pytest.mark.asyncio
async def test_lists_are_read_to_their_last_page_and_next_addresses_are_not_followed() -> None:
    paths: list[str] = []

    async def handler(request: web.Request) -> web.StreamResponse:
        paths.append(request.path)
        page = int(request.query.get("after", "0"))
        paging: dict[str, object] = {"cursors": {"after": str(page + 1)}}
        if page < 2:
            paging["next"] = f"http://127.0.0.1:1/stolen?access_token={TOKEN}"
        return web.json_response({"data": [{"id": page}, {"id": page}, None], "paging": paging})

    async with meta(handler) as api:
        templates = [template["id"] async for template in api.iter_templates("77")]
        numbers = [number["id"] async for number in api.iter_phone_numbers("77")]
    assert templates == numbers == [0, 0, 1, 1, 2, 2]
    assert paths == ["/v26.0/77/message_templates"] * 3 + ["/v26.0/77/phone_numbers"] * 3


@pytest.mark.asyncio
async def test_pricing_analytics_asks_for_half_open_instants_and_flattens_points() -> None:
    queries: list[str] = []

    async def handler(request: web.Request) -> web.StreamResponse:
        queries.append(request.query["fields"])
        data = [{"data_points": [{"volume": 2}]}, {"data_points": [{"volume": 3}]}]
        return web.json_response({"pricing_analytics": {"data": data}, "id": "77"})

    start, end = datetime(2026, 11, 1, tzinfo=UTC), datetime(2026, 11, 2, tzinfo=UTC)
    async with meta(handler) as api:
        points = await api.pricing_analytics("77", start, end, "DAILY")
    assert [point["volume"] for point in points] == [2, 3]
    assert queries[0].startswith("pricing_analytics.start(1793491200).end(1793577600)")
    assert ".granularity(DAILY)" in queries[0]
    assert '"PRICING_CATEGORY"' in queries[0]


@pytest.mark.asyncio
async def test_an_id_cannot_lead_to_another_address() -> None:
    paths: list[str] = []

    async def handler(request: web.Request) -> web.StreamResponse:
        paths.append(request.raw_path)
        return web.json_response({"id": "1"})

    async with meta(handler) as api:
        await api.get_number("../me?x=")
    assert paths[0].startswith("/v26.0/..%2Fme%3Fx=?fields=")


@pytest.mark.asyncio
async def test_a_token_that_would_break_the_header_is_refused() -> None:
    async with open_session(max_connections=1, timeout_seconds=1) as session:
        with pytest.raises(ConfigurationError):
            CloudApi("http://127.0.0.1:1", "v26.0", "a\r\nX: y", session)


@pytest.mark.parametrize(
    "to", ["5511987654321", "+55 11 98765-4321", "", "+", "BR.", "br.1", "B.1"]
)
def test_only_e164_or_a_business_scoped_id_is_an_address(to: str) -> None:
    with pytest.raises(InvalidInput):
        addressed(text_message("oi"), to=to, callback_token="t")


@pytest.mark.parametrize("to", ["US.13491208655302741918", "US.ENT.1349"])
def test_a_business_scoped_id_goes_into_recipient(to: str) -> None:
    payload = addressed(text_message("oi"), to=to, callback_token="t")
    assert payload["recipient"] == to
    assert "to" not in payload


def test_a_text_or_token_beyond_metas_limit_is_refused() -> None:
    with pytest.raises(InvalidInput):
        text_message("x" * 4097)
    with pytest.raises(InvalidInput):
        addressed(text_message("x"), to="+5511987654321", callback_token="x" * 513)


@pytest.mark.asyncio
async def test_a_self_signed_certificate_is_refused_before_bytes(tmp_path: Path) -> None:
    heard = b""

    async def serve(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        nonlocal heard
        heard = await reader.read()

    async with raw_meta(serve, tls=self_signed(tmp_path)) as api:
        assert (await fate(api)).before_bytes
    assert heard == b""


def self_signed(folder: Path) -> ssl.SSLContext:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    pem = folder / "server.pem"
    pem.write_bytes(
        key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        + certificate.public_bytes(Encoding.PEM)
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    return context
