"""Forty lines of Meta for tests of one part: answers sends as told, remembers each."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web

Answer = Callable[[dict[str, Any]], Awaitable[web.StreamResponse]]
Upload = Callable[[], Awaitable[web.StreamResponse]]


class MetaStub:
    """`answers` is asked for each send; the default accepts."""

    def __init__(self) -> None:
        self.received: list[dict[str, Any]] = []
        self.tokens: list[str] = []
        self.uploads: list[tuple[str, bytes]] = []
        self.answer: Answer = self.accept
        self.upload: Upload = self.keep
        self.url = ""

    async def accept(self, payload: dict[str, Any]) -> web.StreamResponse:
        to = payload["to"]
        return web.json_response(
            {
                "messaging_product": "whatsapp",
                "contacts": [{"input": to, "wa_id": to.removeprefix("+")}],
                "messages": [{"id": f"wamid.{len(self.received)}.{to[-8:]}"}],
            }
        )

    async def keep(self) -> web.StreamResponse:
        return web.json_response({"id": f"77{len(self.uploads)}"})

    @staticmethod
    def refuse(code: int, status: int = 400) -> Answer:
        async def answer(payload: dict[str, Any]) -> web.StreamResponse:
            error = {"message": f"(#{code}) refused", "code": code, "fbtrace_id": "trace"}
            return web.json_response({"error": error}, status=status)

        return answer

    async def vanish(self, payload: dict[str, Any]) -> web.StreamResponse:
        """Take the message and cut the connection: the classic doubt."""
        raise asyncio.CancelledError

    def per_recipient(self) -> Counter[str]:
        return Counter(payload["to"] for payload in self.received)

    async def _handle_upload(self, request: web.Request) -> web.StreamResponse:
        form = await request.post()
        file = form["file"]
        assert isinstance(file, web.FileField)
        assert form["messaging_product"] == "whatsapp"
        self.uploads.append((file.content_type, file.file.read()))
        return await self.upload()

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        payload = await request.json()
        self.received.append(payload)
        self.tokens.append(request.headers["Authorization"].removeprefix("Bearer "))
        return await self.answer(payload)


@asynccontextmanager
async def meta_stub() -> AsyncIterator[MetaStub]:
    stub = MetaStub()
    application = web.Application()
    application.router.add_post("/{version}/{number}/messages", stub._handle)
    application.router.add_post("/{version}/{number}/media", stub._handle_upload)
    runner = web.AppRunner(application, access_log=None, handler_cancellation=False)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    stub.url = f"http://127.0.0.1:{port}"
    try:
        yield stub
    finally:
        await runner.cleanup()
