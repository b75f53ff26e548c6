"""Sends through one HTTP client from one process; prints seconds and CPU seconds as JSON.

    python -m tests.load.http_sends aiohttp|pyreqwest URL COUNT

aiohttp as our client uses it, hooks and judgement included; pyreqwest bare, with the same bytes.
The server's certificate is trusted by SSL_CERT_FILE.
"""

import asyncio
import os
import resource
import sys
import time
from collections.abc import Awaitable, Callable
from typing import Any, Final

import orjson
import uvloop
from pyreqwest.client import ClientBuilder

from core.whatsapp.client import CloudApi, open_session
from core.whatsapp.payloads import addressed, template_message

_AT_ONCE: Final = 100
_WARM_UP: Final = 500
_NUMBER: Final = "200000000000001"
_BODY: Final = addressed(
    template_message(
        name="pedido",
        language="pt_BR",
        components=[{"type": "body", "parameters": [{"type": "text", "text": "Maria Aparecida"}]}],
    ),
    to="+5511999990000",
    callback_token="c1." + "x" * 73,
)

Send = Callable[[], Awaitable[object]]


async def _with_aiohttp(url: str, count: int) -> dict[str, float]:
    async with open_session(max_connections=_AT_ONCE, timeout_seconds=30) as session:
        api = CloudApi(url, "v26.0", "EAAtest", session)
        return await _timed(lambda: api.send_message(_NUMBER, _BODY), count)


async def _with_pyreqwest(url: str, count: int) -> dict[str, float]:
    builder = ClientBuilder().http1_only().max_connections(_AT_ONCE)
    if certificate := os.environ.get("SSL_CERT_FILE"):
        with open(certificate, "rb") as file:  # noqa: PTH123, ASYNC230 - once, before the clock
            builder = builder.add_root_certificate_pem(file.read())
    headers = {"Authorization": "Bearer EAAtest", "Content-Type": "application/json"}
    async with builder.default_headers(headers).build() as client:
        address = f"{url}/v26.0/{_NUMBER}/messages"

        async def send() -> Any:
            answer = await client.post(address).body_bytes(orjson.dumps(_BODY)).build().send()
            return orjson.loads(memoryview(await answer.bytes()))["messages"][0]["id"]

        return await _timed(send, count)


async def _timed(send: Send, count: int) -> dict[str, float]:
    await _many(send, _WARM_UP)
    started, cpu = time.monotonic(), _cpu()
    await _many(send, count)
    return {"seconds": time.monotonic() - started, "cpu": _cpu() - cpu}


async def _many(send: Send, count: int) -> None:
    left = iter(range(count))

    async def lane() -> None:
        for _ in left:
            await send()

    await asyncio.gather(*(lane() for _ in range(_AT_ONCE)))


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    kind, address, number = sys.argv[1:]
    run = {"aiohttp": _with_aiohttp, "pyreqwest": _with_pyreqwest}[kind]
    print(orjson.dumps(uvloop.run(run(address, int(number)))).decode())
