"""The API's own process: `python -m api`. One uvicorn, bounded, that drains before it ends."""

import signal
from types import FrameType
from typing import Final

import uvicorn
from fastapi import FastAPI

from api.app import create_app
from api.draining import Draining
from api.http_protocol import BoundedHttp
from core.settings import Settings, get_settings

#: From SIGTERM to the end of the process, draining and requests under way together.
END_SECONDS: Final = 30
#: Of those, what is kept for closing pools and connections.
_CLOSING_SECONDS: Final = 3
_KEEP_ALIVE_SECONDS: Final = 5
#: Connections that wait for the loop; the kernel's own limit is often 4,096.
_BACKLOG: Final = 2_048


class DrainingServer(uvicorn.Server):
    """On the first signal it drains for some seconds, on the second it ends at once.

    While it drains it takes every request: a balancer needs time to notice, and a client may have
    been told this address a second ago.
    """

    def __init__(self, config: uvicorn.Config, draining: Draining, seconds: int) -> None:
        super().__init__(config)
        self._draining = draining
        self._seconds = seconds
        self._signal: int | None = None

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Called by the signal handler."""
        if self._draining.is_on or self._seconds == 0:
            super().handle_exit(sig, frame)
            return
        self._signal = sig
        self._draining.begin()

    async def on_tick(self, counter: int) -> bool:
        """Ten times a second: whether to stop serving."""
        if self._signal is not None and self._draining.lasts() >= self._seconds:
            signal_number, self._signal = self._signal, None
            super().handle_exit(signal_number, None)
        return await super().on_tick(counter)


def server_of(app: FastAPI, settings: Settings) -> DrainingServer:
    """A server for an app of `create_app`."""
    config = uvicorn.Config(
        app,
        host=settings.api_host,
        port=settings.api_port,
        http=BoundedHttp,
        ws="none",
        access_log=False,
        log_level="warning",
        server_header=False,
        backlog=_BACKLOG,
        timeout_keep_alive=_KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=END_SECONDS - _CLOSING_SECONDS - settings.drain_seconds,
        # X-Forwarded-For and -Proto are believed from these and from nobody else.
        proxy_headers=bool(settings.trusted_proxies),
        forwarded_allow_ips=settings.trusted_proxies or "",
    )
    return DrainingServer(config, app.state.draining, settings.drain_seconds)


def serve() -> None:
    """Serve until a signal comes; returns when the process may end."""
    app = create_app()
    server = server_of(app, get_settings())
    server.run()
    # What uvicorn's own runner does: a failed start is no success of the process.
    if not server.started:
        raise SystemExit(3)


def main() -> None:
    """Serve; Ctrl-C is a wish, not an error."""
    try:
        serve()
    except KeyboardInterrupt:
        raise SystemExit(128 + signal.SIGINT) from None
