"""What a route needs: the state of the process, and the caller it works for.

The tenant comes only from the credential. A route gets it as `Caller`, whose `transaction()` is the
only way to the database, already bound to that tenant.
"""

from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, timedelta
from typing import Annotated, Final, cast

from aiohttp import ClientSession
from fastapi import Depends, Query, Request, Security
from fastapi.dependencies.models import Dependant
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer, SecurityScopes
from structlog.contextvars import bind_contextvars

from api.announced_ends import announce_end
from api.auth import TRANSACTION_SECONDS, Authenticator, Credential
from api.broker_look import BrokerLook
from api.changes import Change, change_of
from api.client_address import address_digest
from api.deprecated_uses import DeprecatedUses
from api.etags import Conditions
from api.further_headers import add_header
from api.logins import Logins
from api.pagination import Pager
from api.password_work import PasswordWork
from api.problems import Problem
from api.rate_limits import LimitClass, RateLimits, class_of_request
from api.scopes import Scope
from api.signing_keys import SigningKeys
from api.tokens import AccessToken
from api.warehouse import Warehouse
from core.clock import Clock
from core.domain.ids import TenantId
from core.errors import Unauthenticated
from core.settings import Settings
from core.store.audit import Detail
from core.store.database import Connection, Pool, tenant_transaction

KEY_EXPIRES: Final = b"carteiro-key-expires"
_ANNOUNCED_BEFORE: Final = timedelta(days=7)


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiState:
    """What one process of the API holds between requests."""

    settings: Settings
    clock: Clock
    pool: Pool
    warehouse: Warehouse
    authenticator: Authenticator
    logins: Logins
    passwords: PasswordWork
    signing_keys: SigningKeys
    rate_limits: RateLimits
    deprecated_uses: DeprecatedUses
    meta_session: ClientSession
    broker: BrokerLook
    schema_head: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Who calls, for which tenant, and the state to serve them with."""

    credential: Credential
    state: ApiState
    conditions: Conditions
    change: Change | None = None
    """None for a request that only reads."""

    @property
    def tenant_id(self) -> TenantId:
        return self.credential.tenant_id

    @property
    def subject(self) -> str:
        """`api_key:<id>` or `user:<id>`: what is written down as the author of a change."""
        return self.credential.subject

    @property
    def person(self) -> str:
        """Who answers for a change: the person, also behind a key that they made."""
        return self.credential.person

    @property
    def signed_in(self) -> AccessToken:
        """The person's session. Raises Problem for a key, which has none."""
        if self.credential.token is None:
            raise Problem("not-allowed", "only a person who has signed in may do this")
        return self.credential.token

    def require_all(self, scopes: Iterable[str], doing: str) -> None:
        """Raise Problem unless the caller has these scopes: nobody gives, or changes, more."""
        beyond = sorted(set(scopes) - {scope.value for scope in self.credential.scopes})
        if beyond:
            raise Problem("not-allowed", f"you can't {doing}: you lack the scope {beyond[0]}")

    @asynccontextmanager
    async def transaction(self, *, snapshot: bool = False) -> AsyncIterator[Connection]:
        """One transaction that sees this tenant only; never hold it across a network call.

        With `snapshot` it may only read, and all its queries see the same instant. The first one
        of a changing request that writes anything also writes the request's audit entry.
        """
        change = None if snapshot or self.change is None or self.change.written else self.change
        written = False
        async with tenant_transaction(
            self.state.pool, self.tenant_id, snapshot=snapshot, seconds=TRANSACTION_SECONDS
        ) as connection:
            yield connection
            if change is not None:
                written = await change.write(connection)
        if change is not None:
            change.written = written

    def audit(
        self,
        *,
        target_kind: str | None = None,
        target_id: object | None = None,
        details: Mapping[str, Detail] | None = None,
    ) -> None:
        """Say what the request changes, before its transaction ends; does nothing in a read.

        Ids, names of fields, counts: never a name, a number, a text of a person.
        """
        if self.change is not None:
            self.change.describe(target_kind, target_id, details)

    def pager(self, request: Request, cursor: str | None, limit: int) -> Pager:
        """Reads and signs the cursors of one list, for this tenant and these filters only."""
        return Pager.of(request, self.tenant_id, cursor, limit)


async def api_state(request: Request) -> ApiState:
    """The state made at start. Lives in app.state, for the lifespan fills it.

    Async without waiting for anything: FastAPI gives any other function to a thread.
    """
    return cast(ApiState, request.app.state.api)


State = Annotated[ApiState, Depends(api_state)]

_bearer = HTTPBearer(
    auto_error=False,
    scheme_name="bearer",
    description="An API key (`ctr_live_...`) or an access token from POST /v1/login.",
)


async def authenticate(
    request: Request,
    required: SecurityScopes,
    credentials: Annotated[HTTPAuthorizationCredentials | None, Security(_bearer)],
) -> Caller:
    """The caller behind the credential, holding every scope that the route names."""
    # Called, not declared: FastAPI resolves every dependency anew with each request.
    state = await api_state(request)
    try:
        # Two of them would mean that a proxy and we may read different ones.
        if credentials is None or len(request.headers.getlist("authorization")) != 1:
            raise Unauthenticated("the request carries no bearer credential")
        credential = await state.authenticator.authenticate(credentials.credentials)
    except Unauthenticated:
        # Whoever tries keys is a stranger, and counted like one.
        await limit_by_address(request, state, LimitClass.ANONYMOUS)
        raise
    # So that the line of a refused request tells who tried.
    bind_contextvars(tenant_id=str(credential.tenant_id), actor=credential.subject)
    _announce_end(request, credential, state)
    limit = class_of_request(request.scope)
    if limit is not None:
        await state.rate_limits.take(
            request.scope, limit, credential.subject, tenant_id=credential.tenant_id
        )
    announce_end(request, state.clock, state.deprecated_uses, credential.tenant_id)
    missing = [scope for scope in required.scopes if scope not in credential.scopes]
    if missing:
        raise Problem("not-allowed", f"the credential lacks the scope {missing[0]}")
    refuse_unknown_query(request)
    return Caller(
        credential=credential,
        state=state,
        conditions=Conditions(request=request, tenant_id=credential.tenant_id),
        change=change_of(request, credential.tenant_id, credential.subject),
    )


async def limit_strangers(request: Request, state: State) -> None:
    """Count a request to a route that asks for no credential."""
    limit = class_of_request(request.scope, anonymous=True)
    if limit is not None:
        await limit_by_address(request, state, limit)
    announce_end(request, state.clock, state.deprecated_uses, None)


async def limit_by_address(request: Request, state: ApiState, limit: LimitClass) -> None:
    """Count a request of a stranger. Raises Problem 429."""
    await state.rate_limits.take(request.scope, limit, address_digest(request).hex()[:32])


def needs_caller(dependant: Dependant) -> bool:
    """Whether a route serves only who shows a credential."""
    return any(
        inner.call is authenticate or needs_caller(inner) for inner in dependant.dependencies
    )


def _announce_end(request: Request, credential: Credential, state: ApiState) -> None:
    """A key that ends within a week says so in every answer, also in one without a body."""
    ends = credential.expires_at
    if ends is not None and ends - state.clock.now() <= _ANNOUNCED_BEFORE:
        add_header(
            request.scope, KEY_EXPIRES, f"{ends.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}".encode()
        )


def refuse_unknown_query(request: Request) -> None:
    """A filter that we don't know must not look as if it had been applied."""
    route = request.scope.get("route")
    if not isinstance(route, APIRoute) or not request.query_params:
        return
    unknown = sorted(set(request.query_params) - _query_names(route.dependant))
    repeated = len(request.query_params.multi_items()) != len(request.query_params)
    if unknown or repeated:
        # The names of parameters are the client's text: position and rule are enough.
        kind = "unknown_parameter" if unknown else "repeated_parameter"
        message = "a query parameter isn't known here" if unknown else "a parameter is repeated"
        raise RequestValidationError([{"type": kind, "loc": ("query",), "msg": message}])


def _query_names(dependant: Dependant) -> set[str]:
    names = {field.alias for field in dependant.query_params}
    for inner in dependant.dependencies:
        names |= _query_names(inner)
    return names


def _caller(scope: Scope) -> object:
    return Security(authenticate, scopes=[scope.value])


AccountOwner = Annotated[Caller, _caller(Scope.ACCOUNT_OWN)]
TenantReader = Annotated[Caller, _caller(Scope.TENANT_READ)]
TenantManager = Annotated[Caller, _caller(Scope.TENANT_MANAGE)]
UsersReader = Annotated[Caller, _caller(Scope.USERS_READ)]
UsersManager = Annotated[Caller, _caller(Scope.USERS_MANAGE)]
KeyManager = Annotated[Caller, _caller(Scope.API_KEYS_MANAGE)]
NumbersReader = Annotated[Caller, _caller(Scope.NUMBERS_READ)]
NumbersSyncer = Annotated[Caller, _caller(Scope.NUMBERS_SYNC)]
ContactsReader = Annotated[Caller, _caller(Scope.CONTACTS_READ)]
ContactsWriter = Annotated[Caller, _caller(Scope.CONTACTS_WRITE)]
ConsentsReader = Annotated[Caller, _caller(Scope.CONSENTS_READ)]
ConsentsWriter = Annotated[Caller, _caller(Scope.CONSENTS_WRITE)]
TemplatesReader = Annotated[Caller, _caller(Scope.TEMPLATES_READ)]
TemplatesSyncer = Annotated[Caller, _caller(Scope.TEMPLATES_SYNC)]
TemplatesWriter = Annotated[Caller, _caller(Scope.TEMPLATES_WRITE)]
CampaignsReader = Annotated[Caller, _caller(Scope.CAMPAIGNS_READ)]
CampaignsWriter = Annotated[Caller, _caller(Scope.CAMPAIGNS_WRITE)]
CampaignsApprover = Annotated[Caller, _caller(Scope.CAMPAIGNS_APPROVE)]
MessagesReader = Annotated[Caller, _caller(Scope.MESSAGES_READ)]
MessagesSender = Annotated[Caller, _caller(Scope.MESSAGES_SEND)]
UsageReader = Annotated[Caller, _caller(Scope.USAGE_READ)]
InvoicesReader = Annotated[Caller, _caller(Scope.INVOICES_READ)]
ExportsReader = Annotated[Caller, _caller(Scope.EXPORTS_READ)]
ExportsWriter = Annotated[Caller, _caller(Scope.EXPORTS_WRITE)]
WebhooksReader = Annotated[Caller, _caller(Scope.WEBHOOKS_READ)]
WebhooksManager = Annotated[Caller, _caller(Scope.WEBHOOKS_MANAGE)]
AuditReader = Annotated[Caller, _caller(Scope.AUDIT_READ)]

Limit = Annotated[int, Query(ge=1, le=200, description="How many at most on one page.")]
Cursor = Annotated[
    str | None, Query(max_length=512, description="`next_cursor` of the page before.")
]
