"""The ASGI application: control API and page by Starlette, everything else is the Graph API."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.routing import Mount, Route
from starlette.types import Receive, Scope, Send

from sandbox.acceptance import Sandbox
from sandbox.config import SandboxConfig
from sandbox.control import control_routes
from sandbox.desk import BareDesk, Desk
from sandbox.express import Answer
from sandbox.graph import GraphApi
from sandbox.nodes import HANDLERS
from sandbox.page import page_endpoint
from sandbox.recovery import restore


class SandboxApp:
    """Sends /, /sandbox/* and the lifespan to Starlette and the rest straight to the Graph API."""

    def __init__(self, config: SandboxConfig, *, bare: bool = False) -> None:
        self.sandbox = Sandbox(config)
        self.answer_send: Answer = BareDesk() if bare else Desk(self.sandbox)
        self._graph = GraphApi(self.sandbox, HANDLERS)
        self._starlette = Starlette(
            routes=[
                Route("/", page_endpoint(self.sandbox)),
                Mount("/sandbox", routes=control_routes(self.sandbox)),
            ],
            lifespan=self._lifespan,
        )

    @asynccontextmanager
    async def _lifespan(self, app: Starlette) -> AsyncIterator[None]:
        del app
        restore(self.sandbox)
        await self.sandbox.dispatcher.start()
        try:
            yield
        finally:
            await self.sandbox.dispatcher.stop()
            self.sandbox.journal.close()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Route one ASGI call."""
        path = scope.get("path", "/")
        own = scope["type"] != "http" or path == "/" or path.startswith("/sandbox/")
        if own:
            await self._starlette(scope, receive, send)
            return
        # Uvicorn's `send` is a method of the object that holds the connection; kept so that a
        # fault can cut it. A server without one makes those faults raise instead of pretending.
        scope["sandbox.transport"] = getattr(getattr(send, "__self__", None), "transport", None)
        await self._graph(scope, receive, send)


def create_app(config: SandboxConfig | None = None, *, bare: bool = False) -> SandboxApp:
    """The application of one sandbox world; without a configuration the demo world.

    `bare` answers every send at once and keeps no books of it (with `ExpressProtocol` only).
    """
    return SandboxApp(config if config is not None else SandboxConfig.demo(), bare=bare)
