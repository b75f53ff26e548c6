"""Running a sandbox as a process: one first line that says how to reach it, then serve."""

import asyncio
import gc
import json
import socket
import sys
from pathlib import Path
from typing import Final, TextIO

import uvicorn

from sandbox.app import SandboxApp, create_app
from sandbox.config import SandboxConfig
from sandbox.express import ExpressProtocol

HOST: Final = "127.0.0.1"
DRAIN_SECONDS: Final = 3
KEEP_ALIVE_SECONDS: Final = 75
GARBAGE_THRESHOLD: Final = 50_000


def serve(
    *,
    port: int = 0,
    callback: str | None = None,
    json_output: bool = False,
    config_path: Path | None = None,
    seed: int | None = None,
    journal: Path | None = None,
    host: str = HOST,
    bare: bool = False,
) -> None:
    """Serve until SIGTERM or SIGINT; prints how to reach it once it really accepts connections.

    Port 0 takes a free one. With `json_output` the first line of stdout is one JSON object.
    Raises OSError when the port is taken, pydantic.ValidationError for a bad configuration.
    """
    config = load_config(config_path=config_path, seed=seed, callback=callback, journal=journal)
    main(config, host=host, port=port, json_output=json_output, bare=bare)


def load_config(
    *,
    config_path: Path | None = None,
    seed: int | None = None,
    callback: str | None = None,
    journal: Path | None = None,
) -> SandboxConfig:
    """The configuration of a file (or the demo world), with what the command line adds to it."""
    if config_path is None:
        config = SandboxConfig.demo(seed if seed is not None else 1)
    else:
        config = SandboxConfig.load(config_path)
        config.seed = seed if seed is not None else config.seed
    if callback is not None:
        config.callback.url = callback
    if journal is not None:
        config.journal = journal
    return config


def main(
    config: SandboxConfig,
    *,
    host: str = HOST,
    port: int = 0,
    json_output: bool = False,
    bare: bool = False,
) -> None:
    """Serve one configuration until SIGTERM or SIGINT; `bare` answers sends and does no more."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        bound_port = int(listener.getsockname()[1])
        app = create_app(config, bare=bare)
        server = AnnouncingServer(
            uvicorn.Config(
                app,
                http=ExpressProtocol,
                log_level="warning",
                access_log=False,
                server_header=False,
                proxy_headers=False,
                timeout_graceful_shutdown=DRAIN_SECONDS,
                backlog=2048,
                timeout_keep_alive=KEEP_ALIVE_SECONDS,
            ),
            introduction(app, f"http://{host}:{bound_port}", json_output=json_output),
            sys.stdout,
        )
        app.sandbox.begin_outage = server.refuse_connections
        # Accepted messages live on: looking for garbage among them costs a tenth of the time.
        gc.freeze()
        gc.set_threshold(GARBAGE_THRESHOLD, 20, 100)
        server.run(sockets=[listener])


class AnnouncingServer(uvicorn.Server):
    """Uvicorn that writes a text when it has started to accept connections."""

    def __init__(self, config: uvicorn.Config, text: str, output: TextIO) -> None:
        super().__init__(config)
        self._text = text
        self._output = output
        self._return: asyncio.Task[None] | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, then say so."""
        await super().startup(sockets)
        if self.started:
            self._output.write(self._text)
            self._output.flush()

    def refuse_connections(self, seconds: float) -> None:
        """Listen to nobody and cut every connection; listen again after that many real seconds."""
        loop = asyncio.get_running_loop()
        address = self.servers[0].sockets[0].getsockname()
        for server in self.servers:
            server.close()
        for connection in list(self.server_state.connections):
            transport = getattr(connection, "transport", None)
            if transport is not None:
                loop.call_soon(transport.abort)
        loop.call_later(seconds, self._begin_again, address)

    def _begin_again(self, address: tuple[str, int]) -> None:
        self._return = asyncio.get_running_loop().create_task(self._listen_again(address))

    async def _listen_again(self, address: tuple[str, int]) -> None:
        def protocol() -> asyncio.Protocol:
            return ExpressProtocol(
                config=self.config,
                server_state=self.server_state,
                app_state=self.lifespan.state,
            )

        loop = asyncio.get_running_loop()
        host, port = address[0], address[1]
        self.servers = [await loop.create_server(protocol, host, port, reuse_address=True)]

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop; being told to is no failure, so the signal isn't raised a second time."""
        await super().shutdown(sockets)
        self._captured_signals.clear()


def introduction(app: SandboxApp, base_url: str, *, json_output: bool) -> str:
    """How to reach the first number: one line of JSON, or a line of text and an example."""
    world = app.sandbox.world
    number = next(iter(world.numbers.values()))
    template = next(iter(world.templates_of(number.waba)), None)
    facts = {
        "base_url": base_url,
        "phone_number_id": number.id,
        "waba_id": number.waba.id,
        "token": next(iter(world.tokens), ""),
        "app_secret": world.config.app_secret,
        "verify_token": world.verify_token,
        "template": template.name if template else None,
        "language": template.language if template else None,
        "app_id": world.config.app_id,
        "display_phone_number": number.config.display_phone_number,
    }
    if json_output:
        return json.dumps(facts) + "\n"
    body = {
        "messaging_product": "whatsapp",
        "to": "+5511955550123",
        "type": "template",
        "template": {"name": facts["template"], "language": {"code": facts["language"]}},
    }
    return (
        f"sandbox at {base_url} (page at /), phone number id {number.id}, "
        f"account {number.waba.id}, app secret {world.config.app_secret}, "
        f"verify token {world.verify_token}\n"
        f"try: curl -s {base_url}/v26.0/{number.id}/messages \\\n"
        f"  -H 'Authorization: Bearer {facts['token']}' \\\n"
        f"  -H 'Content-Type: application/json' \\\n"
        f"  -d '{json.dumps(body)}'\n"
    )
