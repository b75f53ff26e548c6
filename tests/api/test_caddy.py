"""deploy/Caddyfile as a real Caddy runs it, before a real API."""

import asyncio
import os
import re
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest

from api.body_limits import IMPORT_LIMIT, JSON_LIMIT, UPLOAD_PACE
from api.http_protocol import HEAD_BYTES, HEAD_SECONDS
from api.webhooks.routes import MAX_BODY_BYTES
from core.domain.media import LARGEST
from core.settings import Settings
from tests.api.conftest import Account, as_tenant
from tests.api.test_server import served
from tests.api.test_webhook_landing import URL, signed
from tests.support.services import NOT_COVERED, in_ci
from tests.support.settings import free_port

FILE = Path(__file__).parents[2] / "deploy" / "Caddyfile"
_UNITS = {"KiB": 1024, "MiB": 1024 * 1024}


def program() -> str:
    found = shutil.which("caddy")
    if found is None:
        reason = f"{NOT_COVERED}caddy (apt-get install caddy)"
        pytest.fail(reason) if in_ci() else pytest.skip(reason)
    return str(found)


def test_the_proxy_s_limits_are_the_api_s() -> None:
    text = FILE.read_text("utf-8")
    sizes = {int(n) * _UNITS[unit] for n, unit in re.findall(r"max_size (\d+)(\w+)", text)}
    assert sizes == {IMPORT_LIMIT, LARGEST, MAX_BODY_BYTES, JSON_LIMIT}
    assert f"max_header_size {HEAD_BYTES // 1024}KiB" in text
    assert f"read_header {int(HEAD_SECONDS)}s" in text
    assert f"read_body {int(UPLOAD_PACE.longest_seconds / 60)}m" in text


@asynccontextmanager
async def proxied(api_port: int, folder: Path) -> AsyncIterator[str]:
    base = f"http://127.0.0.1:{free_port()}"
    environment = os.environ | {
        "CARTEIRO_SITE": base,
        "CARTEIRO_API": f"127.0.0.1:{api_port}",
        "HOME": str(folder),
        "XDG_DATA_HOME": str(folder),
        "XDG_CONFIG_HOME": str(folder),
    }
    command = [program(), "run", "--adapter", "caddyfile", "--config", str(FILE)]
    with (folder / "caddy.log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            *command, env=environment, stdout=log, stderr=log
        )
    try:
        async with asyncio.timeout(30), httpx.AsyncClient(base_url=base) as client:
            while True:
                try:
                    if (await client.get("/problems")).status_code == 200:
                        break
                except httpx.TransportError:
                    pass
                assert process.returncode is None, (folder / "caddy.log").read_text()
                await asyncio.sleep(0.1)
        yield base
    finally:
        process.terminate()
        await process.wait()


async def test_what_the_proxy_lets_through_keeps_out_and_says_of_the_client(
    settings: Settings, tenant: Account, tmp_path: Path
) -> None:
    limits = {"rate_limits": "anonymous=30/6000", "trusted_proxies": "127.0.0.1/32"}
    async with (
        served(settings, **limits) as port,
        proxied(port, tmp_path) as base,
        httpx.AsyncClient(base_url=base, headers=as_tenant(tenant)) as client,
    ):
        made = await client.post("/v1/lists", json={"name": "news"})
        assert (made.status_code, made.headers.get("server")) == (201, None)
        assert made.headers["ratelimit"].startswith('"write";')
        rows = b"phone\n+5511987654321\n"
        sent = await client.post(
            "/v1/contacts/imports?list=a", content=rows, headers={"Content-Type": "text/csv"}
        )
        assert sent.status_code == 202, sent.text
        assert (await client.post(URL, content=b"[1]", headers=signed(b"[1]"))).status_code == 200
        for path in ("/metrics", "/health/ready", "/health/live"):
            assert (await client.get(path)).status_code == 404
        large = b'{"name": "' + b"x" * JSON_LIMIT + b'"}'
        kind = {"Content-Type": "application/json"}
        refused = await client.post("/v1/lists", content=large, headers=kind)
        # Caddy 2.6 stops sending in the middle, and calls that a bad gateway.
        assert refused.status_code in {413, 502}
        assert len((await client.get("/v1/lists")).json()["items"]) == 2
        # Whatever a client says of its address, the proxy says the true one: one count for all.
        async with httpx.AsyncClient(base_url=base) as stranger:
            codes = [
                (
                    await stranger.get("/problems", headers={"X-Forwarded-For": f"198.51.100.{n}"})
                ).status_code
                for n in range(31)
            ]
        assert codes[-1] == 429
