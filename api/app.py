"""The API process: `create_app` for uvicorn (`uvicorn api.app:create_app --factory`)."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from typing import Any, Final

from fastapi import FastAPI
from starlette.middleware.cors import CORSMiddleware
from starlette.types import Receive, Scope, Send

from api import health, problem_pages
from api.access_log import AccessLog
from api.api_keys import routes as api_keys
from api.attributes import routes as attributes
from api.audit import routes as audit
from api.auth import Authenticator
from api.billing import routes as billing
from api.body_limits import BodyLimits
from api.broker_look import BrokerLook
from api.campaigns import routes as campaigns
from api.campaigns import series_routes as series
from api.campaigns import trial_routes as trials
from api.consents import routes as consents
from api.contacts import routes as contacts
from api.deprecated_uses import DeprecatedUses
from api.deps import ApiState
from api.docs_pages import install_docs
from api.draining import Draining, closing
from api.errors import install_error_handlers
from api.exports import routes as exports
from api.inbox import routes as inbox
from api.jobs import routes as jobs
from api.logins import Logins
from api.media import routes as media
from api.messages import routes as messages
from api.numbers import routes as numbers
from api.openapi import install_document
from api.password_work import PasswordWork
from api.plans import routes as plans
from api.quiet_hours import routes as quiet_hours
from api.quotes import routes as quotes
from api.rate_limits import RateLimits
from api.read_only import ReadOnly
from api.routing import serve
from api.segments import routes as segments
from api.sessions import routes as sessions
from api.signing_keys import SigningKeys
from api.status import routes as status
from api.suppressions import routes as suppressions
from api.templates import routes as templates
from api.tenants import routes as tenants
from api.usage import routes as usage
from api.users import routes as users
from api.versions import routes as versions
from api.warehouse import Warehouse
from api.webhook_endpoints import routes as webhook_endpoints
from api.webhooks.landing import Landing
from api.webhooks.routes import PATH as META_WEBHOOKS
from api.webhooks.routes import MetaWebhooks
from core.clock import Clock, SystemClock
from core.dsn import DatabaseRole
from core.logs import configure_logging
from core.settings import Settings, get_settings
from core.store.database import open_pool
from core.store.roles import require_tenant_role
from core.whatsapp.client import open_session

VERSION: Final = "1.0.0"
_POOL_SIZE: Final = 12
#: Syncs read lists from Meta; sending is the sender's and has its own connections.
_META_CONNECTIONS: Final = 8
_META_TIMEOUT_SECONDS: Final = 30.0
_ROOMS: Final = (
    sessions,
    users,
    tenants,
    api_keys,
    numbers,
    contacts,
    attributes,
    quotes,
    segments,
    consents,
    status,
    suppressions,
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
    audit,
    jobs,
    versions,
)


class _Application(FastAPI):
    """Meta's webhooks see `meta_webhooks` and nothing else of this application.

    The layers around a middleware of FastAPI's cost more than all that the landing itself does
    (21 of 38 us, 2026-11-23).
    """

    meta_webhooks: MetaWebhooks

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"] == META_WEBHOOKS:
            draining: Draining = self.state.draining
            await self.meta_webhooks(scope, receive, closing(send) if draining.is_on else send)
        else:
            await super().__call__(scope, receive, send)


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
    app = _Application(
        title="Carteiro",
        version=VERSION,
        lifespan=_lifespan(settings, clock or SystemClock()),
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        # A redirect would send the client's credential to wherever Host points.
        redirect_slashes=False,
    )
    app.state.api = None
    app.state.draining = Draining()
    app.state.has_started = False
    app.state.landing = None
    install_error_handlers(app)
    for room in (health, problem_pages, *_ROOMS):
        serve(app, room.router)
    install_docs(app)
    install_document(app)
    # The last one added is the first to see a request.
    app.add_middleware(BodyLimits)
    app.add_middleware(ReadOnly, pool=lambda: app.state.api and app.state.api.pool)
    if settings.cors_origins:
        app.add_middleware(CORSMiddleware, **_cors(settings.cors_origins.split(",")))
    app.add_middleware(AccessLog)
    app.meta_webhooks = MetaWebhooks(settings=settings, landing=lambda: app.state.landing)
    return app


def _cors(origins: list[str]) -> dict[str, Any]:
    """Browsers on these origins may call; never with cookies, of which we have none."""
    return {
        "allow_origins": origins,
        "allow_methods": ["GET", "POST", "PUT", "PATCH", "DELETE"],
        "allow_headers": [
            *("Authorization", "Content-Type", "Idempotency-Key"),
            *("If-Match", "If-None-Match", "X-Request-Id"),
        ],
        "expose_headers": [
            *("ETag", "Idempotency-Replayed", "Link", "Location", "RateLimit", "RateLimit-Policy"),
            *("Retry-After", "X-Request-Id"),
        ],
        "allow_credentials": False,
        "max_age": 600,
    }


def _lifespan(
    settings: Settings, clock: Clock
) -> Callable[[FastAPI], AbstractAsyncContextManager[None]]:
    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        dsn, pooled = settings.dsn(DatabaseRole.APP), settings.app_database_pooled
        async with AsyncExitStack() as stack:
            pool = await stack.enter_async_context(
                open_pool(dsn, name="api", min_size=2, max_size=_POOL_SIZE, pooled=pooled)
            )
            await require_tenant_role(pool)
            # Its own connections: a busy API must not make Meta's webhooks wait.
            landing_pool = await stack.enter_async_context(
                open_pool(dsn, name="landing", min_size=1, max_size=2, pooled=pooled)
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
            rate_limits = RateLimits(settings)
            stack.push_async_callback(rate_limits.close)
            deprecated_uses = DeprecatedUses(pool)
            deprecated_uses.start()
            stack.push_async_callback(deprecated_uses.stop)
            app.state.landing = landing
            keys, passwords = SigningKeys(pool, clock), PasswordWork()
            app.state.api = ApiState(
                settings=settings,
                clock=clock,
                pool=pool,
                warehouse=warehouse,
                authenticator=Authenticator(pool, clock, keys),
                logins=Logins(pool, clock, keys, passwords),
                passwords=passwords,
                signing_keys=keys,
                rate_limits=rate_limits,
                deprecated_uses=deprecated_uses,
                meta_session=session,
                broker=BrokerLook(settings.broker_url),
                schema_head=health.schema_head(),
            )
            yield

    return lifespan
