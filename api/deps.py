"""What a route needs: the state of the process, and the caller it works for.

The tenant comes only from the credential. A route gets it as `Caller`, whose `transaction()` is the
only way to the database, already bound to that tenant.
"""

from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Annotated, cast

from aiohttp import ClientSession
from fastapi import Depends, Query, Request, Security
from fastapi.dependencies.models import Dependant
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer, SecurityScopes

from api.auth import TRANSACTION_SECONDS, Authenticator, Credential
from api.pagination import Pager
from api.problems import Problem
from api.scopes import Scope
from api.warehouse import Warehouse
from core.clock import Clock
from core.domain.ids import TenantId
from core.errors import Unauthenticated
from core.settings import Settings
from core.store.database import Connection, Pool, tenant_transaction


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiState:
    """What one process of the API holds between requests."""

    settings: Settings
    clock: Clock
    pool: Pool
    warehouse: Warehouse
    authenticator: Authenticator
    meta_session: ClientSession
    schema_head: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Who calls, for which tenant, and the state to serve them with."""

    credential: Credential
    state: ApiState

    @property
    def tenant_id(self) -> TenantId:
        return self.credential.tenant_id

    @property
    def subject(self) -> str:
        """`api_key:<id>` or `user:<id>`: what is written down as the author of a change."""
        return self.credential.subject

    def transaction(self, *, snapshot: bool = False) -> AbstractAsyncContextManager[Connection]:
        """One transaction that sees this tenant only; never hold it across a network call.

        With `snapshot` it may only read, and all its queries see the same instant.
        """
        return tenant_transaction(
            self.state.pool, self.tenant_id, snapshot=snapshot, seconds=TRANSACTION_SECONDS
        )

    def pager(self, request: Request, cursor: str | None, limit: int) -> Pager:
        """Reads and signs the cursors of one list, for this tenant and these filters only."""
        return Pager.of(request, self.tenant_id, cursor, limit)


def api_state(request: Request) -> ApiState:
    """The state made at start. Lives in app.state, for the lifespan fills it."""
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
    state: State,
    credentials: Annotated[HTTPAuthorizationCredentials | None, Security(_bearer)],
) -> Caller:
    """The caller behind the credential, holding every scope that the route names."""
    # Two of them would mean that a proxy and we may read different ones.
    if credentials is None or len(request.headers.getlist("authorization")) != 1:
        raise Unauthenticated("the request carries no bearer credential")
    credential = await state.authenticator.authenticate(credentials.credentials)
    missing = [scope for scope in required.scopes if scope not in credential.scopes]
    if missing:
        raise Problem("not-allowed", f"the credential lacks the scope {missing[0]}")
    refuse_unknown_query(request)
    return Caller(credential=credential, state=state)


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


TenantReader = Annotated[Caller, _caller(Scope.TENANT_READ)]
KeyManager = Annotated[Caller, _caller(Scope.API_KEYS_MANAGE)]
NumbersReader = Annotated[Caller, _caller(Scope.NUMBERS_READ)]
NumbersSyncer = Annotated[Caller, _caller(Scope.NUMBERS_SYNC)]
ContactsReader = Annotated[Caller, _caller(Scope.CONTACTS_READ)]
ContactsWriter = Annotated[Caller, _caller(Scope.CONTACTS_WRITE)]
ConsentsReader = Annotated[Caller, _caller(Scope.CONSENTS_READ)]
ConsentsWriter = Annotated[Caller, _caller(Scope.CONSENTS_WRITE)]
TemplatesReader = Annotated[Caller, _caller(Scope.TEMPLATES_READ)]
TemplatesSyncer = Annotated[Caller, _caller(Scope.TEMPLATES_SYNC)]
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

Limit = Annotated[int, Query(ge=1, le=200, description="How many at most on one page.")]
Cursor = Annotated[
    str | None, Query(max_length=512, description="`next_cursor` of the page before.")
]
