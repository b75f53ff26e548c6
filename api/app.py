"""The API process: `create_app` for uvicorn (`uvicorn api.app:create_app --factory`)."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from typing import Final

from fastapi import FastAPI

from api import health, problem_pages
from api.access_log import AccessLog
from api.auth import Authenticator
from api.billing import routes as billing
from api.body_limits import BodyLimits
from api.campaigns import routes as campaigns
from api.campaigns import series_routes as series
from api.campaigns import trial_routes as trials
from api.consents import routes as consents
from api.contacts import routes as contacts
from api.deps import ApiState
from api.errors import install_error_handlers
from api.exports import routes as exports
from api.inbox import routes as inbox
from api.media import routes as media
from api.messages import routes as messages
from api.numbers import routes as numbers
from api.openapi import install_docs
from api.plans import routes as plans
from api.quiet_hours import routes as quiet_hours
from api.read_only import ReadOnly
from api.templates import routes as templates
from api.tenants import routes as tenants
from api.usage import routes as usage
from api.warehouse import Warehouse
from api.webhook_endpoints import routes as webhook_endpoints
from api.webhooks.landing import Landing
from api.webhooks.routes import MetaWebhooks
from core.clock import Clock, SystemClock
from core.dsn import DatabaseRole
from core.logs import configure_logging
from core.settings import Settings, get_settings
from core.store.database import open_pool
from core.whatsapp.client import open_session

VERSION: Final = "1.0.0"
_POOL_SIZE: Final = 12
#: Syncs read lists from Meta; sending is the sender's and has its own connections.
_META_CONNECTIONS: Final = 8
_META_TIMEOUT_SECONDS: Final = 30.0
_ROOMS: Final = (
    tenants,
    numbers,
    contacts,
    consents,
    templates,
    campaigns,
    trials,
    series,
    plans,
    quiet_hours,
    media,
    messages,
    inbox,
    usage,
    billing,
    exports,
    webhook_endpoints,
)


def create_app(settings: Settings | None = None, *, clock: Clock | None = None) -> FastAPI:
    """The whole API, not yet connected: its lifespan opens pools and closes them.

    Without `settings` it reads the environment's and configures the logs of the process.

    Raises ConfigurationError when a setting that it can't do without is missing.
    """
    if settings is None:
        # A process of its own: uvicorn calls this factory without arguments.
        configure_logging("api")
        settings = get_settings()
    for name in ("database_url", "secret_key", "meta_app_secret", "meta_verify_token"):
        settings.require(name)
    app = FastAPI(
        title="Carteiro",
        version=VERSION,
        lifespan=_lifespan(settings, clock or SystemClock()),
        docs_url=None,
        redoc_url=None,
        # A redirect would send the client's credential to wherever Host points.
        redirect_slashes=False,
    )
    app.state.api = None
    app.state.landing = None
    install_error_handlers(app)
    app.include_router(health.router)
    app.include_router(problem_pages.router)
    for room in _ROOMS:
        app.include_router(room.router)
    install_docs(app)
    # The last one added is the first to see a request.
    app.add_middleware(BodyLimits)
    app.add_middleware(ReadOnly, pool=lambda: app.state.api and app.state.api.pool)
    app.add_middleware(AccessLog)
    app.add_middleware(MetaWebhooks, settings=settings, landing=lambda: app.state.landing)
    return app


def _lifespan(
    settings: Settings, clock: Clock
) -> Callable[[FastAPI], AbstractAsyncContextManager[None]]:
    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        dsn = settings.dsn(DatabaseRole.APP)
        async with AsyncExitStack() as stack:
            pool = await stack.enter_async_context(
                open_pool(dsn, name="api", min_size=2, max_size=_POOL_SIZE)
            )
            # Its own connections: a busy API must not make Meta's webhooks wait.
            landing_pool = await stack.enter_async_context(
                open_pool(dsn, name="landing", min_size=1, max_size=2)
            )
            landing = Landing(landing_pool)
            landing.start()
            stack.push_async_callback(landing.stop)
            warehouse = Warehouse(settings)
            stack.push_async_callback(warehouse.close)
            session = open_session(
                max_connections=_META_CONNECTIONS, timeout_seconds=_META_TIMEOUT_SECONDS
            )
            stack.push_async_callback(session.close)
            app.state.landing = landing
            app.state.api = ApiState(
                settings=settings,
                clock=clock,
                pool=pool,
                warehouse=warehouse,
                authenticator=Authenticator(pool, clock),
                meta_session=session,
                schema_head=health.schema_head(),
            )
            yield

    return lifespan
