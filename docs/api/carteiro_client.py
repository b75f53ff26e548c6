"""A client of Carteiro's API 1.0.0: made from its document, not to be edited.

    from carteiro_client import ApiError, Client

    with Client("https://api.example.com", "ctr_live_...") as client:
        for campaign in client.iter_campaigns(state="running"):
            print(campaign["name"])

Needs httpx and Python 3.11. Made anew by `carteiro openapi --client FILE`.
"""

from __future__ import annotations

from typing import Literal, NotRequired, TypedDict, cast


import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from types import TracebackType
from typing import Any, Final, Self
from urllib.parse import quote

import httpx

TRIES: Final = 4
#: A server that asks for more patience than this gets its answer raised.
LONGEST_WAIT_SECONDS: Final = 60.0
_PASSING: Final = frozenset({429, 503})


class ApiError(Exception):
    """A problem that the API answered (RFC 9457): decide by `code`."""

    def __init__(self, response: httpx.Response) -> None:
        """Reads the body; a proxy's answer has none that is ours."""
        is_problem = response.headers.get("content-type", "").startswith("application/problem+json")
        body: Mapping[str, Any] = response.json() if is_problem else {}
        self.status: int = response.status_code
        self.code: str = str(body.get("code", "unknown"))
        self.detail: str = str(body.get("detail", response.reason_phrase))
        self.advice: str = str(body.get("advice", ""))
        self.errors: list[dict[str, str]] = list(body.get("errors", ()))
        self.request_id: str = response.headers.get("x-request-id", "")
        self.body: Mapping[str, Any] = body
        super().__init__(f"{self.status} {self.code}: {self.detail}")


class BaseClient:
    """Sends, tries again where nothing was done, and raises ApiError. Not for several threads.

    `last` is the newest answer, for its headers: `client.last.headers["etag"]` for `if_match`.
    """

    def __init__(
        self,
        base_url: str,
        credential: str,
        *,
        timeout_seconds: float = 30.0,
        tries: int = TRIES,
        transport: httpx.BaseTransport | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """`credential` is an API key or an access token."""
        self._http = httpx.Client(
            base_url=base_url,
            headers={"Authorization": f"Bearer {credential}"},
            timeout=timeout_seconds,
            transport=transport,
        )
        self._tries = tries
        self._sleep = sleep
        self.last: httpx.Response | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def _call(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, Any] | None = None,
        headers: Mapping[str, str | None] | None = None,
        json: Any = None,
        content: bytes | None = None,
    ) -> httpx.Response:
        """One operation. 429 and 503 mean that nothing was done: they are tried again.

        A broken connection only where a second try has no second effect.
        """
        sent = {name: value for name, value in (headers or {}).items() if value is not None}
        asked = {name: value for name, value in (query or {}).items() if value is not None}
        repeatable = method in {"GET", "PUT"} or "Idempotency-Key" in sent
        for left in range(self._tries - 1, -1, -1):
            try:
                response = self._http.request(
                    method, path, params=asked, headers=sent, json=json, content=content
                )
            except httpx.TransportError:
                if not left or not repeatable:
                    raise
                self._sleep(_pause(self._tries - left))
                continue
            self.last = response
            wait = _wait_of(response, self._tries - left)
            if not left or wait is None:
                break
            self._sleep(wait)
        if response.is_error:
            raise ApiError(response)
        return response

    def _pages(
        self, path: str, query: Mapping[str, Any], headers: Mapping[str, str | None] | None = None
    ) -> Iterator[Any]:
        """Every item of a list, page by page."""
        cursor: str | None = None
        while True:
            page = self._call("GET", path, query={**query, "cursor": cursor}, headers=headers)
            body = page.json()
            yield from body["items"]
            cursor = body["next_cursor"]
            if cursor is None:
                return


def _wait_of(response: httpx.Response, tried: int) -> float | None:
    """Seconds until the next try; None when there should be none."""
    if response.status_code not in _PASSING:
        return None
    asked = response.headers.get("retry-after", "")
    wait = float(asked) if asked.isdigit() else _pause(tried)
    return wait if wait <= LONGEST_WAIT_SECONDS else None


def _pause(tried: int) -> float:
    return float(0.5 * 2**tried)


def part(identifier: str) -> str:
    """An id as a part of an address, whatever is in it."""
    return quote(identifier, safe="")


def new_key() -> str:
    """An Idempotency-Key: made once a call, so that all its tries are one request."""
    return str(uuid.uuid4())


class AcceptInvitation(TypedDict):
    """The token of an invitation and the password to sign in with."""

    token: str
    password: str
    name: NotRequired[str | None]


class AddSuppression(TypedDict):
    """A person to leave alone: by the id of the contact, or by the phone number."""

    contact_id: NotRequired[str | None]
    phone: NotRequired[str | None]
    reason: SuppressionReason
    note: NotRequired[str | None]
    until: NotRequired[str | None]


class AddSuppressions(TypedDict):
    """Up to 1,000 people to leave alone; each is taken or refused by itself."""

    items: list[AddSuppression]


class ApiKey(TypedDict):
    """An API key; its secret is never shown again."""

    api_key_id: str
    name: str
    prefix: str
    scopes: list[str]
    created_at: str
    last_used_at: str | None
    expires_at: str | None
    revoked_at: str | None
    made_by: str
    rotated_from: str | None


class Approve(TypedDict):
    """The plan that was read and is approved."""

    plan_hash: str


class ApproveSeries(TypedDict):
    """The series that was read and is approved."""

    approval_hash: str


class Arm(TypedDict):
    """What became of one arm."""

    variant: str
    people: int
    waiting: int
    stopped: str | None
    accepted: int
    delivered: ShareOf
    read: ShareOf
    failed: int
    opted_out: ShareOf


class AskQuote(TypedDict):
    """A campaign, or messages from a number by category and place."""

    campaign_id: NotRequired[str | None]
    phone_number_id: NotRequired[str | None]
    messages: NotRequired[list[PortionToQuote]]
    send_at: NotRequired[str | None]


class Attempt(TypedDict):
    """One attempt to send, and Meta's answer."""

    attempt_no: int
    outcome: str
    claimed_at: str
    requested_at: str | None
    answered_at: str | None
    http_status: int | None
    error_code: int | None
    error_subcode: int | None
    error_detail: str | None
    fbtrace_id: str | None


class AuditEntry(TypedDict):
    """Who did what to what."""

    entry_id: str
    at: str
    actor: str
    actor_kind: str
    operation: str
    target_kind: str
    target_id: str
    request_id: str | None
    address_digest: str | None
    outcome: str
    details: dict[str, Any]
    sequence: int | None
    entry_hash: str | None


class Backlogs(TypedDict):
    """Since when the first of each line could have gone; null where nothing waits."""

    single_messages: str | None
    campaigns: str | None
    deliveries: str | None
    meta_webhooks: str | None


class BodyExample(TypedDict):
    """What the variables of a body may hold, for Meta's reviewers."""

    body_text: NotRequired[list[list[str]] | None]
    body_text_named_params: NotRequired[list[NamedExample] | None]


class BulkResult(TypedDict):
    """What became of every item, in the order of the request."""

    done: int
    refused: int
    items: list[ItemResult]


class ButtonPreview(TypedDict):
    """A button as a person would see it."""

    type: str
    text: str
    value: str | None


class Campaign(TypedDict):
    """A campaign with its plan."""

    campaign_id: str
    name: str
    phone_number_id: str
    template_id: str
    list_id: str
    segment_id: str | None
    status: Literal["draft", "planning", "planned", "plan_failed", "approved", "running", "paused", "cancelled"]
    state: Literal["draft", "planning", "planned", "plan_failed", "approved", "scheduled", "running", "paused", "cancelled", "finished", "finished_with_failures"]
    status_reason: str | None
    category: str | None
    series_id: str | None
    local_delivery: bool
    max_lateness_minutes: int
    scheduled_at: str | None
    launched_at: str | None
    finished_at: str | None
    created_by: str
    created_at: str
    parameters: dict[str, Any]
    experiment: dict[str, Any] | None
    canary: dict[str, Any] | None
    template_version_hash: str | None
    plan: dict[str, Any] | None
    plan_hash: str | None
    planned_at: str | None
    plan_requested_by: str | None
    plan_progress: PlanProgress | None
    approved_at: str | None
    approved_by: str | None
    paused_at: str | None
    cancelled_at: str | None
    plan_stale_reason: str | None
    waiting_because: NotRequired[list[Waiting]]


class CampaignSeries(TypedDict):
    """A series as it is now."""

    series_id: str
    name: str
    phone_number_id: str
    template_id: str
    list_id: str
    segment_id: str | None
    parameters: dict[str, Any]
    experiment: dict[str, Any] | None
    canary: dict[str, Any] | None
    starts_local: str
    recurrence: Recurrence
    timezone: str
    local_delivery: bool
    lead_minutes: int
    max_lateness_minutes: int
    status: Literal["active", "paused", "ended"]
    next_local: str | None
    next_at: str | None
    approval_hash: str
    standing_approval: StandingApproval | None
    created_by: str
    changed_by: str
    created_at: str
    updated_at: str


class CampaignStats(TypedDict):
    """Where every message of a campaign is."""

    campaign_id: str
    status: str
    states: dict[str, int]
    exclusions: dict[str, int]
    errors: list[ErrorCount]
    reasons: list[ReasonCount]
    conservation: Conservation
    accepted: int
    rate_per_second: float
    seconds_left: int | None
    residual_risk: ResidualRisk


class CampaignSummary(TypedDict):
    """A campaign in a list."""

    campaign_id: str
    name: str
    phone_number_id: str
    template_id: str
    list_id: str
    segment_id: str | None
    status: Literal["draft", "planning", "planned", "plan_failed", "approved", "running", "paused", "cancelled"]
    state: Literal["draft", "planning", "planned", "plan_failed", "approved", "scheduled", "running", "paused", "cancelled", "finished", "finished_with_failures"]
    status_reason: str | None
    category: str | None
    series_id: str | None
    local_delivery: bool
    max_lateness_minutes: int
    scheduled_at: str | None
    launched_at: str | None
    finished_at: str | None
    created_by: str
    created_at: str


class CanaryRules(TypedDict):
    """Waves, and what must hold before the next one goes."""

    percents: NotRequired[list[str]]
    wait_minutes: NotRequired[int]
    max_not_delivered_percent: NotRequired[str]
    max_failed_percent: NotRequired[str]


class Cancelled(TypedDict):
    """A cancelled campaign: what was taken back. What a worker has taken is sent and counted."""

    campaign_id: str
    status: NotRequired[Literal["cancelled"]]
    cancelled_messages: int
    remaining: int


class ChangeApiKey(TypedDict):
    """What to change of a key; what isn't named stays. `expires_at: null` means without end."""

    name: NotRequired[str | None]
    scopes: NotRequired[list[Scope] | None]
    expires_at: NotRequired[str | None]


class ChangeAttribute(TypedDict):
    """What is to change; what is not given stays."""

    options: NotRequired[list[str] | None]
    personal: NotRequired[bool | None]


class ChangeCampaign(TypedDict):
    """What may change before the launch; what is left out stays, null takes the schedule away."""

    name: NotRequired[str | None]
    scheduled_at: NotRequired[str | None]
    scheduled_local: NotRequired[str | None]
    local_delivery: NotRequired[bool | None]
    max_lateness_minutes: NotRequired[int | None]


class ChangeEndpoint(TypedDict):
    """What is given is changed; `enabled: true` also lifts a switch-off of ours."""

    url: NotRequired[str | None]
    event_types: NotRequired[list[Literal["*", "message.accepted", "message.held", "message.sent", "message.delivered", "message.read", "message.failed", "message.in_doubt", "message.cancelled", "message.expired", "message.redriven", "message.inbound", "campaign.planning", "campaign.planned", "campaign.plan_failed", "campaign.approved", "campaign.started", "campaign.paused", "campaign.resumed", "campaign.cancelled", "campaign.finished", "campaign.reopened", "template.status_changed", "template.quality_changed", "template.category_changed", "number.quality_changed", "number.throughput_changed", "number.paused", "number.resumed", "account.blocked", "account.unblocked", "consent.changed", "import.finished", "import.failed", "webhook.test"]] | None]
    description: NotRequired[str | None]
    enabled: NotRequired[bool | None]


class ChangeMember(TypedDict):
    """A person to put on the list, or to take off it."""

    contact_id: str
    action: Literal["add", "remove"]


class ChangeMembers(TypedDict):
    """Up to 1,000 changes of a list; each is carried out or refused by itself."""

    items: list[ChangeMember]


class ChangePassword(TypedDict):
    """The password you have, and the one you want."""

    current_password: str
    new_password: str


class ChangeSegment(TypedDict):
    """What is to change; what is not given stays."""

    name: NotRequired[str | None]
    filter: NotRequired[str | None]


class ChangeSeries(TypedDict):
    """What is left out stays. All but names and minutes takes the standing approval away."""

    name: NotRequired[str | None]
    phone_number_id: NotRequired[str | None]
    template_id: NotRequired[str | None]
    list_id: NotRequired[str | None]
    segment_id: NotRequired[str | None]
    parameters: NotRequired[dict[str, FromAttribute | FromValue] | None]
    experiment: NotRequired[Experiment | None]
    canary: NotRequired[CanaryRules | None]
    starts_local: NotRequired[str | None]
    recurrence: NotRequired[Recurrence | None]
    local_delivery: NotRequired[bool | None]
    lead_minutes: NotRequired[int | None]
    max_lateness_minutes: NotRequired[int | None]


class ChangeTenant(TypedDict):
    """What to change of the tenant; what isn't named stays."""

    name: NotRequired[str]
    locale: NotRequired[str]
    timezone: NotRequired[str]
    four_eyes: NotRequired[bool]
    marketing_cap_messages: NotRequired[int | None]
    marketing_cap_days: NotRequired[int | None]
    blocked_countries: NotRequired[list[str]]


class ChangeUser(TypedDict):
    """What to change of a person; what isn't named stays."""

    name: NotRequired[str]
    role: NotRequired[Role]
    status: NotRequired[Presence]


class Comparison(TypedDict):
    """Two arms, and on what they differ at 95 % confidence."""

    one: str
    other: str
    differ_on: list[str]


class Consent(TypedDict):
    """One entry of the ledger; entries are never changed."""

    consent_id: str
    purpose: Literal["marketing", "utility", "authentication", "service"]
    action: Literal["granted", "revoked"]
    channel: str
    text_version: str | None
    evidence: dict[str, str]
    occurred_at: str
    recorded_at: str


class ConsentAudit(TypedDict):
    """The entry of the audit chain that was written together with a consent."""

    entry_id: str
    actor: str
    at: str
    sequence: int | None
    entry_hash: str | None


class ConsentKeyword(TypedDict):
    """A word or a button payload that withdraws or agrees."""

    source: Literal["word", "button"]
    value: str
    action: Literal["opt_out", "opt_in"]


class ConsentKeywords(TypedDict):
    """Your additions; our own words in Portuguese, English, Spanish and Hindi always count."""

    items: list[ConsentKeyword]


class ConsentProof(TypedDict):
    """A person's whole ledger as a document that can be checked without us."""

    format: Literal["carteiro.consent-proof/1"]
    tenant_id: str
    contact_id: str
    address: str
    made_at: str
    states: list[ConsentState]
    entries: list[ProvenConsent]
    digest: str


class ConsentState(TypedDict):
    """What holds now for one purpose, and the entry that says so."""

    purpose: str
    granted: bool
    consent_id: str
    occurred_at: str


class ConsentUsed(TypedDict):
    """The ledger's word on this purpose when the message was made."""

    consent_id: str
    purpose: str
    action: str
    channel: str
    text_version: str | None
    occurred_at: str


class Conservation(TypedDict):
    """People planned against messages in all states: equal at every instant."""

    planned: int
    sum: int
    holds: bool


class Contact(TypedDict):
    """One person."""

    contact_id: str
    address: str
    country: str | None
    name: str | None
    language: str | None
    timezone: str | None
    attributes: dict[str, str]
    created_at: str
    updated_at: str


class ContactAttribute(TypedDict):
    """A declared attribute: its values are checked wherever they come in."""

    attribute_id: str
    name: str
    type: AttributeType
    options: list[str]
    personal: bool
    created_by: str
    created_at: str
    updated_at: str


class ContactConsents(TypedDict):
    """One page of a person's ledger and what holds now."""

    states: list[ConsentState]
    items: list[Consent]
    next_cursor: NotRequired[str | None]


class ContactList(TypedDict):
    """A named list of people."""

    list_id: str
    name: str
    created_at: str
    members: int


class CreateApiKey(TypedDict):
    """A key with some of the scopes that its maker has."""

    name: str
    scopes: list[Scope]
    expires_at: NotRequired[str | None]


class CreateCampaign(TypedDict):
    """One template to the people of one list or segment."""

    name: str
    phone_number_id: str
    template_id: str
    list_id: NotRequired[str | None]
    segment_id: NotRequired[str | None]
    parameters: NotRequired[dict[str, FromAttribute | FromValue]]
    scheduled_at: NotRequired[str | None]
    experiment: NotRequired[Experiment | None]
    canary: NotRequired[CanaryRules | None]
    scheduled_local: NotRequired[str | None]
    local_delivery: NotRequired[bool]
    max_lateness_minutes: NotRequired[int]


class CreateEndpoint(TypedDict):
    """An address that is told what happens."""

    url: str
    event_types: NotRequired[list[Literal["*", "message.accepted", "message.held", "message.sent", "message.delivered", "message.read", "message.failed", "message.in_doubt", "message.cancelled", "message.expired", "message.redriven", "message.inbound", "campaign.planning", "campaign.planned", "campaign.plan_failed", "campaign.approved", "campaign.started", "campaign.paused", "campaign.resumed", "campaign.cancelled", "campaign.finished", "campaign.reopened", "template.status_changed", "template.quality_changed", "template.category_changed", "number.quality_changed", "number.throughput_changed", "number.paused", "number.resumed", "account.blocked", "account.unblocked", "consent.changed", "import.finished", "import.failed", "webhook.test"]]]
    description: NotRequired[str | None]


class CreateExport(TypedDict):
    """A dataset of the tenant as a file."""

    dataset: Literal["messages", "events", "usage", "invoices"]
    format: Literal["parquet", "csv", "ndjson", "xlsx"]
    filters: NotRequired[Filters]


class CreateList(TypedDict):
    """A list by name; the name of an existing list gives that list."""

    name: str


class CreateSegment(TypedDict):
    """A filter under a name."""

    name: str
    filter: str


class CreateSeries(TypedDict):
    """A campaign that is made anew at every occurrence."""

    name: str
    phone_number_id: str
    template_id: str
    list_id: NotRequired[str | None]
    segment_id: NotRequired[str | None]
    parameters: NotRequired[dict[str, FromAttribute | FromValue]]
    experiment: NotRequired[Experiment | None]
    canary: NotRequired[CanaryRules | None]
    starts_local: str
    recurrence: Recurrence
    local_delivery: NotRequired[bool]
    lead_minutes: NotRequired[int]
    max_lateness_minutes: NotRequired[int]


class CreateTemplate(TypedDict):
    """A new template, kept here until it is submitted."""

    waba_id: str
    name: str
    language: str
    category: Literal["marketing", "utility", "authentication"]
    components: list[TemplateHeader | TemplateBody | TemplateFooter | TemplateButtons]
    message_send_ttl_seconds: NotRequired[int | None]


class DeclareAttribute(TypedDict):
    """An attribute of contacts: its name and type stay for ever."""

    name: str
    type: AttributeType
    options: NotRequired[list[str] | None]
    personal: NotRequired[bool]


class Delivery(TypedDict):
    """One event to one endpoint, with its body and every try (the last 100)."""

    event_id: str
    event_type: str
    state: Literal["pending", "delivered", "failed"]
    attempts: int
    failure: str | None
    http_status: int | None
    finished_at: str | None
    occurred_at: str
    next_attempt_at: str | None
    webhook_id: str
    body: dict[str, Any]
    tries: list[DeliveryAttempt]
    created_at: str


class DeliveryAttempt(TypedDict):
    """One try."""

    attempt_no: int
    started_at: str
    duration_ms: int
    http_status: int | None
    failure: str | None
    answer: str | None


class DeliverySummary(TypedDict):
    """One event to one endpoint."""

    event_id: str
    event_type: str
    state: Literal["pending", "delivered", "failed"]
    attempts: int
    failure: str | None
    http_status: int | None
    finished_at: str | None
    occurred_at: str
    next_attempt_at: str | None
    created_at: str


class EditTemplate(TypedDict):
    """Other components, another category; what is absent stays."""

    category: NotRequired[Literal["marketing", "utility", "authentication"] | None]
    components: NotRequired[list[TemplateHeader | TemplateBody | TemplateFooter | TemplateButtons] | None]
    message_send_ttl_seconds: NotRequired[int | None]
    discard_draft: NotRequired[bool]


class EndingOperation(TypedDict):
    """An operation that ends."""

    operation_id: str
    method: str
    path: str
    phase: Phase
    announced_at: str
    deprecated_at: str
    sunset_at: str
    reason: str
    successor: str | None
    brown_outs: list[Window]


class Endpoint(TypedDict):
    """An endpoint and how it does."""

    endpoint_id: str
    url: str
    description: str | None
    event_types: list[str]
    enabled: bool
    disabled_reason: str | None
    disabled_at: str | None
    failing_since: str | None
    failures_in_row: int
    last_success_at: str | None
    rests_until: str | None
    previous_secret_until: str | None
    created_by: str
    created_at: str
    updated_at: str


class ErrorCount(TypedDict):
    """Failed messages of one code, in the error atlas's words."""

    code: int
    name: str
    advice: str
    messages: int


class ErrorWords(TypedDict):
    """What an error code of Meta's means and what to do."""

    code: int
    name: str
    scope: str
    action: str
    advice: str


class Event(TypedDict):
    """One business fact."""

    event_type: str
    occurred_at: str
    ingested_at: str
    attempt_no: int
    error_code: int | None
    reason: str | None
    billable: bool | None
    pricing_model: str | None
    pricing_type: str | None
    pricing_category: str | None


class Experiment(TypedDict):
    """Arms compared with each other, and people held out to compare with nothing sent."""

    holdout_percent: NotRequired[str]
    variants: list[Variant]


class ExperimentResult(TypedDict):
    """The arms so far. Looking early and often finds differences that are none."""

    campaign_id: str
    arms: list[Arm]
    comparisons: list[Comparison]


class Explanation(TypedDict):
    """The whole story of one message."""

    message: Message
    template: TemplatePin | None
    consent: ConsentUsed | None
    attempts: list[Attempt]
    statuses: list[ReportedStatus]
    events: list[Event]
    errors: list[ErrorWords]
    timeline: list[Moment]


class Export(TypedDict):
    """An export with its manifest: columns, counts, checksums, snapshot."""

    export_id: str
    dataset: str
    format: str
    filters: dict[str, Any]
    status: Literal["queued", "running", "ready", "failed", "expired"]
    rows: int | None
    bytes: int | None
    sha256: str | None
    failure: str | None
    requested_by: str
    requested_at: str
    finished_at: str | None
    expires_at: str | None
    manifest: dict[str, Any] | None


class ExportSummary(TypedDict):
    """An export in a list."""

    export_id: str
    dataset: str
    format: str
    filters: dict[str, Any]
    status: Literal["queued", "running", "ready", "failed", "expired"]
    rows: int | None
    bytes: int | None
    sha256: str | None
    failure: str | None
    requested_by: str
    requested_at: str
    finished_at: str | None
    expires_at: str | None


#: What the dataset is cut by.
Filters = TypedDict(
    "Filters",
    {
        "from": "NotRequired[str | None]",
        "to": "NotRequired[str | None]",
        "campaign_id": "NotRequired[str | None]",
    },
)


class FromAttribute(TypedDict):
    """The value is the person's attribute (`name` is the person's name)."""

    attribute: str


class FromValue(TypedDict):
    """The same value for everybody."""

    value: str


class HeaderExample(TypedDict):
    """What a header may hold, for Meta's reviewers."""

    header_text: NotRequired[list[str] | None]
    header_text_named_params: NotRequired[list[NamedExample] | None]
    header_handle: NotRequired[list[str] | None]


class Import(TypedDict):
    """An import and its counts: read = created + updated + unchanged + merged + refused."""

    import_id: str
    list_id: str | None
    file_name: str | None
    status: Literal["queued", "running", "finished", "failed"]
    dry_run: bool
    file_bytes: int | None
    bytes_read: int
    rows_read: int
    rows_created: int
    rows_updated: int
    rows_unchanged: int
    rows_merged: int
    rows_refused: int
    refused_by_reason: dict[str, int]
    failure: str | None
    created_at: str
    finished_at: str | None


class InboundMessage(TypedDict):
    """One message of a person to one of your numbers. `text` is personal data."""

    inbound_id: str
    phone_number_id: str
    contact_id: str
    type: str
    text: str | None
    reply_to_message_id: str | None
    button_payload: str | None
    media_id: str | None
    referral: dict[str, str] | None
    occurred_at: str
    received_at: str
    from_history: bool
    window_expires_at: str | None


class Invitation(TypedDict):
    """An invitation just made; `token` is shown this once. Nothing is sent: give it to them."""

    user: User
    token: str


class InviteUser(TypedDict):
    """Somebody to invite."""

    email: str
    name: str
    role: Role


class Invoice(TypedDict):
    """An invoice with its lines; net + tax = total, line by line and as a whole."""

    invoice_id: str
    period_start: str
    period_end: str
    period_timezone: str
    currency: str
    status: Literal["draft", "parked", "final"]
    parked_reasons: list[str]
    net: str
    tax: str
    total: str
    created_at: str
    updated_at: str
    period_start_at: str
    period_end_at: str
    inputs_digest: str
    plan: str
    plan_version: int
    lines: list[InvoiceLine]


class InvoiceLine(TypedDict):
    """One line and what it was computed from."""

    line_no: int
    kind: str
    category: str | None
    market: str | None
    description: str
    quantity: str
    unit_price: str | None
    net: str
    tax: str
    explanation: dict[str, Any]


class InvoiceSummary(TypedDict):
    """An invoice in a list."""

    invoice_id: str
    period_start: str
    period_end: str
    period_timezone: str
    currency: str
    status: Literal["draft", "parked", "final"]
    parked_reasons: list[str]
    net: str
    tax: str
    total: str
    created_at: str
    updated_at: str


class ItemProblem(TypedDict):
    """Why an item was refused, as a problem of its own request would say it."""

    code: str
    detail: str
    pointer: str | None


class ItemResult(TypedDict):
    """What became of one item."""

    index: int
    status: Literal["done", "refused"]
    contact_id: str | None
    created: bool
    problem: ItemProblem | None


class Job(TypedDict):
    """One piece of work that goes on after its request."""

    job_id: str
    kind: JobKind
    status: JobStatus
    created_at: str
    finished_at: str | None
    progress: JobProgress
    failure: str | None
    result: str


class JobProgress(TypedDict):
    """How far it is, in its own unit: rows of a file, people, messages."""

    done: int
    total: int | None


class Joined(TypedDict):
    """What to sign in with from now on, besides the password."""

    slug: str
    user: User


class LiftSuppression(TypedDict):
    """Why the person may be written to again."""

    reason: LiftReason


class LogIn(TypedDict):
    """Who signs in, to which tenant."""

    slug: str
    email: str
    password: str


class Me(TypedDict):
    """Who has signed in, and what the role allows."""

    user: User
    scopes: list[str]


class MediaFile(TypedDict):
    """A file of yours."""

    media_file_id: str
    reference: str
    kind: str
    mime_type: str
    file_name: str
    bytes: int
    created_by: str
    created_at: str


class MediaFileDetails(TypedDict):
    """A file of yours with where Meta has it."""

    media_file_id: str
    reference: str
    kind: str
    mime_type: str
    file_name: str
    bytes: int
    created_by: str
    created_at: str
    uploads: list[MediaUpload]


class MediaUpload(TypedDict):
    """Meta has the file for a number, until an instant; afterwards it is uploaded anew."""

    phone_number_id: str
    uploaded_at: str
    expires_at: str


class Message(TypedDict):
    """One message with its content and its instants."""

    message_id: str
    campaign_id: str | None
    contact_id: str
    phone_number_id: str
    kind: str
    template_id: str | None
    category: str
    country: str | None
    market: str | None
    state: Literal["excluded", "queued", "sending", "in_doubt", "held", "accepted", "sent", "delivered", "read", "failed", "cancelled", "expired"]
    exclusion_reason: str | None
    reason: str | None
    error_code: int | None
    conflict: str | None
    attempt_no: int
    billable: bool | None
    created_at: str
    state_changed_at: str
    waba_id: str
    address: str
    content: dict[str, Any]
    pricing_model: str | None
    pricing_type: str | None
    pricing_category: str | None
    expires_at: str | None
    accepted_at: str | None
    sent_at: str | None
    delivered_at: str | None
    read_at: str | None
    failed_at: str | None


class MessageSummary(TypedDict):
    """A message in a list."""

    message_id: str
    campaign_id: str | None
    contact_id: str
    phone_number_id: str
    kind: str
    template_id: str | None
    category: str
    country: str | None
    market: str | None
    state: Literal["excluded", "queued", "sending", "in_doubt", "held", "accepted", "sent", "delivered", "read", "failed", "cancelled", "expired"]
    exclusion_reason: str | None
    reason: str | None
    error_code: int | None
    conflict: str | None
    attempt_no: int
    billable: bool | None
    created_at: str
    state_changed_at: str


class Moment(TypedDict):
    """One line of the timeline."""

    at: str
    what: str
    detail: NotRequired[str | None]


class NamedExample(TypedDict):
    """What a named variable may hold, for Meta's reviewers."""

    param_name: str
    example: str


class NewApiKey(TypedDict):
    """A key just made; `secret` is shown this once."""

    api_key: ApiKey
    secret: str


class NewEndpoint(TypedDict):
    """An endpoint just made, or with a new secret; `secret` is shown this once."""

    endpoint: Endpoint
    secret: str


class Number(TypedDict):
    """One WhatsApp number of the tenant."""

    phone_number_id: str
    waba_id: str
    portfolio_id: str
    display_phone_number: str
    verified_name: str | None
    state: Literal["ready", "slowed", "paused", "blocked", "stopped"]
    quality: str
    throughput_per_second: int
    granted_per_second: str
    paused_until: str | None
    pause_reason: str | None
    blocked_reason: str | None
    synced_at: str | None
    created_at: str


class NumberHealth(TypedDict):
    """A number with what held it back, what its portfolio has room for, and how its sends do."""

    phone_number_id: str
    waba_id: str
    portfolio_id: str
    display_phone_number: str
    verified_name: str | None
    state: Literal["ready", "slowed", "paused", "blocked", "stopped"]
    quality: str
    throughput_per_second: int
    granted_per_second: str
    paused_until: str | None
    pause_reason: str | None
    blocked_reason: str | None
    synced_at: str | None
    created_at: str
    portfolio: Portfolio
    stops: list[NumberStop]
    recent: RecentSends


class NumberStop(TypedDict):
    """Something that stopped a number, or the account it belongs to."""

    kind: Literal["number_paused", "account_blocked"]
    detail: str
    times: int
    since: str
    last_seen_at: str
    ended_at: str | None


class NumbersSynced(TypedDict):
    """What a sync found."""

    accounts: int
    numbers: int
    created: int


class Occurrence(TypedDict):
    """What became of an occurrence: a campaign, or why none."""

    occurs_local: str
    occurs_at: str
    campaign_id: str | None
    campaign_state: Literal["draft", "planning", "planned", "plan_failed", "approved", "scheduled", "running", "paused", "cancelled", "finished", "finished_with_failures"] | None
    skipped_reason: Literal["previous_open", "missed"] | None
    recorded_at: str


class OptOutAnswer(TypedDict):
    """What is answered to somebody who withdraws by a word or a button."""

    enabled: bool
    texts: dict[str, str]


class Page_ApiKey_(TypedDict):
    """Page_ApiKey_"""

    items: list[ApiKey]
    next_cursor: NotRequired[str | None]


class Page_AuditEntry_(TypedDict):
    """Page_AuditEntry_"""

    items: list[AuditEntry]
    next_cursor: NotRequired[str | None]


class Page_CampaignSeries_(TypedDict):
    """Page_CampaignSeries_"""

    items: list[CampaignSeries]
    next_cursor: NotRequired[str | None]


class Page_CampaignSummary_(TypedDict):
    """Page_CampaignSummary_"""

    items: list[CampaignSummary]
    next_cursor: NotRequired[str | None]


class Page_ContactAttribute_(TypedDict):
    """Page_ContactAttribute_"""

    items: list[ContactAttribute]
    next_cursor: NotRequired[str | None]


class Page_ContactList_(TypedDict):
    """Page_ContactList_"""

    items: list[ContactList]
    next_cursor: NotRequired[str | None]


class Page_Contact_(TypedDict):
    """Page_Contact_"""

    items: list[Contact]
    next_cursor: NotRequired[str | None]


class Page_DeliverySummary_(TypedDict):
    """Page_DeliverySummary_"""

    items: list[DeliverySummary]
    next_cursor: NotRequired[str | None]


class Page_Endpoint_(TypedDict):
    """Page_Endpoint_"""

    items: list[Endpoint]
    next_cursor: NotRequired[str | None]


class Page_ExportSummary_(TypedDict):
    """Page_ExportSummary_"""

    items: list[ExportSummary]
    next_cursor: NotRequired[str | None]


class Page_Import_(TypedDict):
    """Page_Import_"""

    items: list[Import]
    next_cursor: NotRequired[str | None]


class Page_InboundMessage_(TypedDict):
    """Page_InboundMessage_"""

    items: list[InboundMessage]
    next_cursor: NotRequired[str | None]


class Page_InvoiceSummary_(TypedDict):
    """Page_InvoiceSummary_"""

    items: list[InvoiceSummary]
    next_cursor: NotRequired[str | None]


class Page_Job_(TypedDict):
    """Page_Job_"""

    items: list[Job]
    next_cursor: NotRequired[str | None]


class Page_MediaFile_(TypedDict):
    """Page_MediaFile_"""

    items: list[MediaFile]
    next_cursor: NotRequired[str | None]


class Page_MessageSummary_(TypedDict):
    """Page_MessageSummary_"""

    items: list[MessageSummary]
    next_cursor: NotRequired[str | None]


class Page_Number_(TypedDict):
    """Page_Number_"""

    items: list[Number]
    next_cursor: NotRequired[str | None]


class Page_Occurrence_(TypedDict):
    """Page_Occurrence_"""

    items: list[Occurrence]
    next_cursor: NotRequired[str | None]


class Page_PlanErrors_(TypedDict):
    """Page_PlanErrors_"""

    items: list[PlanErrors]
    next_cursor: NotRequired[str | None]


class Page_Portfolio_(TypedDict):
    """Page_Portfolio_"""

    items: list[Portfolio]
    next_cursor: NotRequired[str | None]


class Page_Redrive_(TypedDict):
    """Page_Redrive_"""

    items: list[Redrive]
    next_cursor: NotRequired[str | None]


class Page_Segment_(TypedDict):
    """Page_Segment_"""

    items: list[Segment]
    next_cursor: NotRequired[str | None]


class Page_Session_(TypedDict):
    """Page_Session_"""

    items: list[Session]
    next_cursor: NotRequired[str | None]


class Page_Suppression_(TypedDict):
    """Page_Suppression_"""

    items: list[Suppression]
    next_cursor: NotRequired[str | None]


class Page_Template_(TypedDict):
    """Page_Template_"""

    items: list[Template]
    next_cursor: NotRequired[str | None]


class Page_User_(TypedDict):
    """Page_User_"""

    items: list[User]
    next_cursor: NotRequired[str | None]


class ParameterError(TypedDict):
    """One parameter that can't be sent so."""

    parameter: str
    code: str
    advice: str


class PlanErrors(TypedDict):
    """One person's wrong parameters."""

    contact_id: str
    variant: str | None
    errors: list[ParameterError]


class PlanProgress(TypedDict):
    """A plan in the making."""

    decided: int
    audience: int


class PlanRequest(TypedDict):
    """How to plan."""

    dry_run: NotRequired[bool]


class Portfolio(TypedDict):
    """A business portfolio of the tenant, and how many people it may begin to write to."""

    portfolio_id: str
    known: bool
    people_per_day: int | None
    used: int | None
    free: int | None
    next_free_at: str | None
    created_at: str


class PortionToQuote(TypedDict):
    """Messages that cost alike."""

    category: Literal["marketing", "utility", "authentication", "service"]
    country: NotRequired[str | None]
    market: NotRequired[str | None]
    in_window: NotRequired[bool]
    in_free_entry_point: NotRequired[bool]
    messages: int


class PreviewSegment(TypedDict):
    """A filter to try."""

    filter: str


class PreviewTemplate(TypedDict):
    """Values to put into a template."""

    parameters: NotRequired[dict[str, str]]
    draft: NotRequired[bool]


class ProvenConsent(TypedDict):
    """An entry of the ledger, with what proves when and by whom it was recorded."""

    consent_id: str
    purpose: Literal["marketing", "utility", "authentication", "service"]
    action: Literal["granted", "revoked"]
    channel: str
    text_version: str | None
    evidence: dict[str, str]
    occurred_at: str
    recorded_at: str
    audit: ConsentAudit | None
    hash: str


class PutConsentKeyword(TypedDict):
    """A word counts when it is the whole message; a button by its exact payload."""

    source: Literal["word", "button"]
    value: str
    action: Literal["opt_out", "opt_in"]


class PutConsentKeywords(TypedDict):
    """The whole set: what is not in it any more stops counting."""

    items: list[PutConsentKeyword]


class PutOptOutAnswer(TypedDict):
    """Whether to answer, and what. Meta charges it as a service message."""

    enabled: bool
    texts: NotRequired[dict[str, str] | None]


class PutQuietHours(TypedDict):
    """One rule; it replaces the rule of the same country and category."""

    country: str
    category: Literal["*", "marketing", "utility", "authentication", "service"]
    starts_at: NotRequired[str | None]
    ends_at: NotRequired[str | None]
    quiet_days: NotRequired[list[int]]


class QueuedMessage(TypedDict):
    """A message that is on its way to the sender."""

    message_id: str
    contact_id: str
    state: NotRequired[Literal["queued"]]
    kind: str
    category: str
    market: str | None
    created_at: str


class QuietHoursRule(TypedDict):
    """One rule. Without hours and days it is an exception: never quiet."""

    country: str
    category: str
    starts_at: str | None
    ends_at: str | None
    quiet_days: list[int]
    updated_at: str


class QuietHoursRules(TypedDict):
    """Every rule of the tenant; the country decides before the category."""

    timezone: str
    items: list[QuietHoursRule]


class Quote(TypedDict):
    """What messages would cost at Meta's prices; computed when asked, and not kept."""

    campaign_id: str | None
    currency: str
    total: str
    total_low: str
    total_high: str
    unknown_messages: int
    windows: QuotedWindows
    rate_date: str
    note: str
    lines: list[QuoteLine]


class QuoteLine(TypedDict):
    """Messages that cost alike, and what they cost."""

    market: str | None
    category: Literal["marketing", "utility", "authentication", "service"]
    in_window: bool
    in_free_entry_point: bool
    pricing_type: str
    messages: int
    rate: str | None
    cost: str | None
    cost_low: str | None


class QuotedWindows(TypedDict):
    """How many of the messages go to people in a window."""

    service_window: int
    free_entry_point: int


class ReasonCount(TypedDict):
    """Messages of one state that carry a reason of ours."""

    state: str
    reason: str
    messages: int


class RecentSends(TypedDict):
    """What became of the latest attempts to send, counted from the rows."""

    since: str | None
    attempts: int
    accepted: int
    failed: int
    in_doubt: int
    put_off: int
    error_rate: str | None
    errors: list[SendError]


class RecordConsent(TypedDict):
    """A person's word: an agreement or a withdrawal, and what it rests on."""

    contact_id: str
    purpose: Literal["marketing", "utility", "authentication", "service"]
    action: Literal["granted", "revoked"]
    channel: str
    text_version: NotRequired[str | None]
    evidence: NotRequired[dict[str, str]]
    occurred_at: NotRequired[str | None]


class RecordedConsent(TypedDict):
    """The new entry, and what holds for the person now."""

    consent_id: str
    states: list[ConsentState]


class Recurrence(TypedDict):
    """How often: a part of RFC 5545, on the tenant's wall clock."""

    frequency: Literal["daily", "weekly", "monthly"]
    interval: NotRequired[int]
    weekdays: NotRequired[list[int]]
    month_day: NotRequired[int | None]
    until: NotRequired[str | None]
    count: NotRequired[int | None]


class Redrive(TypedDict):
    """A re-drive that was asked for, with its progress."""

    redrive_id: str
    campaign_id: str
    states: list[str]
    error_codes: list[int] | None
    reasons: list[str] | None
    failed_after: str | None
    failed_before: str | None
    include_unconfirmed: bool
    matching: int
    redriven: int
    state: Literal["queued", "running", "finished"]
    requested_by: str
    requested_at: str
    finished_at: str | None


class RedriveAnswer(TypedDict):
    """What a re-drive would touch, and the re-drive when it was no dry run."""

    campaign_id: str
    dry_run: bool
    matching: int
    by_error: list[RedriveCount]
    redrive: Redrive | None


class RedriveCount(TypedDict):
    """Failures that are alike."""

    state: str
    error_code: int | None
    error_name: str | None
    reason: str | None
    messages: int


class RedriveRequest(TypedDict):
    """Which failures are tried again. Count them first: `dry_run` is on unless you turn it off."""

    states: NotRequired[list[Literal["failed", "expired"]]]
    error_codes: NotRequired[list[int] | None]
    reasons: NotRequired[list[str] | None]
    failed_after: NotRequired[str | None]
    failed_before: NotRequired[str | None]
    include_unconfirmed: NotRequired[bool]
    dry_run: NotRequired[bool]
    expected_messages: NotRequired[int | None]


class Refresh(TypedDict):
    """The newest refresh token of a session."""

    refresh_token: str


#: Which finished deliveries to send again: by the time of their events.
Replay = TypedDict(
    "Replay",
    {
        "from": "str",
        "until": "NotRequired[str | None]",
        "event_types": "NotRequired[list[Literal[\"*\", \"message.accepted\", \"message.held\", \"message.sent\", \"message.delivered\", \"message.read\", \"message.failed\", \"message.in_doubt\", \"message.cancelled\", \"message.expired\", \"message.redriven\", \"message.inbound\", \"campaign.planning\", \"campaign.planned\", \"campaign.plan_failed\", \"campaign.approved\", \"campaign.started\", \"campaign.paused\", \"campaign.resumed\", \"campaign.cancelled\", \"campaign.finished\", \"campaign.reopened\", \"template.status_changed\", \"template.quality_changed\", \"template.category_changed\", \"number.quality_changed\", \"number.throughput_changed\", \"number.paused\", \"number.resumed\", \"account.blocked\", \"account.unblocked\", \"consent.changed\", \"import.finished\", \"import.failed\", \"webhook.test\"]] | None]",
        "states": "NotRequired[list[Literal[\"failed\", \"delivered\"]]]",
        "after": "NotRequired[str | None]",
        "limit": "NotRequired[int]",
    },
)


class Replayed(TypedDict):
    """How many are sent again; with `continue_after` there may be more."""

    replayed: int
    continue_after: str | None


class ReportedStatus(TypedDict):
    """A status Meta reported by webhook; repetitions count once."""

    status: str
    occurred_at: str
    applied_at: str


class ResidualRisk(TypedDict):
    """What evidence has not settled, in messages: Meta has no idempotency key, so this is never"""

    closed_unconfirmed: int
    repeated: int
    in_doubt: int
    in_doubt_since: str | None


class Resume(TypedDict):
    """How to go on after the template has changed."""

    accept_template_version_hash: NotRequired[str | None]


class RotateApiKey(TypedDict):
    """How long the old secret works beside the new one."""

    overlap_seconds: NotRequired[int]
    expires_at: NotRequired[str | None]


class RotateSecret(TypedDict):
    """How long the present secret goes on signing beside the new one."""

    overlap_hours: NotRequired[int]


class SaveContact(TypedDict):
    """A person by phone number: made when unknown, filled in when known."""

    phone: str
    name: NotRequired[str | None]
    language: NotRequired[str | None]
    attributes: NotRequired[dict[str, str]]
    list_id: NotRequired[str | None]


class SaveContacts(TypedDict):
    """Up to 1,000 people; each is saved or refused by itself."""

    items: list[SaveContact]


class SavedContact(TypedDict):
    """A person as stored, and whether the call made a new one."""

    contact: Contact
    created: bool


class Segment(TypedDict):
    """People described by a filter; who they are is looked up whenever it is used."""

    segment_id: str
    name: str
    filter: str
    created_by: str
    created_at: str
    updated_at: str


class SegmentPerson(TypedDict):
    """A person of a sample, without address, name and personal attributes."""

    contact_id: str
    country: str | None
    language: str | None
    attributes: dict[str, str]
    created_at: str


class SegmentPreview(TypedDict):
    """Whom a filter means at this moment."""

    people: int
    sample: list[SegmentPerson]


class SendError(TypedDict):
    """Sends that failed for one reason."""

    code: int
    name: str
    attempts: int


class SendMessage(TypedDict):
    """One message to one person: a template or a text."""

    phone_number_id: str
    to: NotRequired[str | None]
    contact_id: NotRequired[str | None]
    template: NotRequired[TemplateToSend | None]
    text: NotRequired[TextToSend | None]
    expires_in_seconds: NotRequired[int | None]


class SendMessages(TypedDict):
    """Many messages, each to one person."""

    items: list[SendMessage]


class SentItem(TypedDict):
    """What became of one message."""

    index: int
    status: Literal["done", "refused"]
    message: QueuedMessage | None
    problem: ItemProblem | None


class SentMessages(TypedDict):
    """What became of every message, in the order of the request."""

    done: int
    refused: int
    items: list[SentItem]


class Session(TypedDict):
    """One of your sessions that still lives."""

    session_id: str
    client: str | None
    created_at: str
    last_used_at: str
    idle_until: str
    ends_at: str
    current: bool


class ShareOf(TypedDict):
    """A share with its 95 % interval."""

    messages: int
    percent: float
    low: float
    high: float


class StandingApproval(TypedDict):
    """Who approved what every occurrence will be."""

    approved_by: str
    approved_at: str
    template_version_hash: str
    holds: bool


class StatusCause(TypedDict):
    """One thing that does not go as it should."""

    cause: Literal["sending_stopped", "tenant_stopped", "campaign_stopped", "number_stopped", "number_paused", "account_blocked", "api_read_only", "webhooks_not_applied", "webhooks_late", "broker_unreachable", "messages_late", "deliveries_late", "endpoint_disabled"]
    subject: str | None
    since: str | None
    until: str | None


class Suppression(TypedDict):
    """A person who is not sent to."""

    contact_id: str
    address: str
    scope: SuppressionScope
    reason: str
    error_code: int | None
    note: str | None
    added_by: str | None
    suppressed_at: str
    until: str | None
    marketing_until: str | None
    needs_phone: bool


class SystemStatus(TypedDict):
    """What is accepted, sent and told now."""

    state: Literal["ok", "degraded", "stopped"]
    as_of: str
    accepts_changes: bool
    sends: bool
    broker: Literal["ok", "no_answer", "not_set"]
    causes: list[StatusCause]
    waiting_since: Backlogs


class Template(TypedDict):
    """One template in one language."""

    template_id: str
    waba_id: str
    meta_template_id: str
    name: str
    language: str
    category: str
    status: str
    quality: str
    parameter_format: str
    version_hash: str
    halted_reason: str | None
    rejected_reason: str | None
    has_draft: bool
    submitted_at: str | None
    synced_at: str
    created_at: str


class TemplateBody(TypedDict):
    """The text. Meta writes that of authentication templates itself."""

    type: Literal["BODY"]
    text: NotRequired[str | None]
    add_security_recommendation: NotRequired[bool | None]
    example: NotRequired[BodyExample | None]


class TemplateButton(TypedDict):
    """One button."""

    type: Literal["QUICK_REPLY", "URL", "PHONE_NUMBER", "COPY_CODE", "OTP"]
    text: NotRequired[str | None]
    url: NotRequired[str | None]
    phone_number: NotRequired[str | None]
    otp_type: NotRequired[Literal["COPY_CODE"] | None]
    example: NotRequired[list[str] | None]


class TemplateButtons(TypedDict):
    """What a person can press."""

    type: Literal["BUTTONS"]
    buttons: list[TemplateButton]


class TemplateDetail(TypedDict):
    """A template with its parts and the parameters it needs."""

    template_id: str
    waba_id: str
    meta_template_id: str
    name: str
    language: str
    category: str
    status: str
    quality: str
    parameter_format: str
    version_hash: str
    halted_reason: str | None
    rejected_reason: str | None
    has_draft: bool
    submitted_at: str | None
    synced_at: str
    created_at: str
    components: list[dict[str, Any]]
    message_send_ttl_seconds: int | None
    parameters: list[str]
    unsupported: list[str]
    draft: dict[str, Any] | None


class TemplateFooter(TypedDict):
    """What stands below the text."""

    type: Literal["FOOTER"]
    text: NotRequired[str | None]
    code_expiration_minutes: NotRequired[int | None]


class TemplateHeader(TypedDict):
    """What stands above the text."""

    type: Literal["HEADER"]
    format: NotRequired[Literal["TEXT", "IMAGE", "VIDEO", "DOCUMENT", "LOCATION"]]
    text: NotRequired[str | None]
    example: NotRequired[HeaderExample | None]


class TemplatePin(TypedDict):
    """The template of a message, and whether it has changed since."""

    name: str
    language: str
    category: str
    status: str
    present_version_hash: str
    pinned_version_hash: str | None


class TemplatePreview(TypedDict):
    """A template as a person would read it; a variable without a value stays as it is written."""

    language: str
    of_draft: bool
    header_format: str | None
    header: str | None
    body: str
    footer: str | None
    buttons: list[ButtonPreview]
    missing: list[str]
    unknown: list[str]
    fault: str | None


class TemplateToSend(TypedDict):
    """A template by id, or by name and language, with its values."""

    template_id: NotRequired[str | None]
    name: NotRequired[str | None]
    language: NotRequired[str | None]
    parameters: NotRequired[dict[str, str]]


class TemplatesSynced(TypedDict):
    """What a sync found."""

    accounts: int
    templates: int
    created: int
    changed: int
    deleted: int
    skipped: int


class Tenant(TypedDict):
    """The tenant behind the credential."""

    tenant_id: str
    slug: str
    name: str
    timezone: str
    currency: str
    locale: str
    default_region: str
    status: str
    plan: str | None
    created_at: str
    four_eyes: bool
    marketing_cap_messages: int | None
    marketing_cap_days: int | None
    blocked_countries: list[str]
    four_eyes_off_asked_by: str | None
    four_eyes_off_asked_at: str | None


class TestSent(TypedDict):
    """The test event that was queued; read its delivery to see what came of it."""

    event_id: str
    webhook_id: str


class TextToSend(TypedDict):
    """Free text; Meta takes it only within 24 hours of the person's last message."""

    body: str
    preview_url: NotRequired[bool]


class Tokens(TypedDict):
    """A bearer token for the other routes, and what the next one is got with."""

    access_token: str
    token_type: NotRequired[str]
    expires_in: int
    refresh_token: str
    refresh_expires_at: str
    session_id: str


class UpcomingOccurrence(TypedDict):
    """One occurrence ahead."""

    occurs_local: str
    occurs_at: str


class UpcomingOccurrences(TypedDict):
    """What the rule says, as of now."""

    timezone: str
    items: list[UpcomingOccurrence]


class Usage(TypedDict):
    """Usage of [from, to), as published by the last run of the data path."""

    items: list[UsageRow]
    delivered: int


class UsageRow(TypedDict):
    """Delivered messages of one day, category, market and pricing type."""

    date: str
    category: str
    market: str | None
    pricing_type: str | None
    delivered: int
    read: int


class UseOfADay(TypedDict):
    """How often one operation was used on one day of UTC."""

    date: str
    uses: int


class UsedOperation(TypedDict):
    """An operation that ends, and how often your tenant still used it."""

    operation: EndingOperation
    uses: int
    days: list[UseOfADay]


class UsedOperations(TypedDict):
    """Your uses of what ends, also of operations that you don't use."""

    items: list[UsedOperation]


class User(TypedDict):
    """A person of the tenant; of one who left, the address is gone."""

    user_id: str
    email: str | None
    name: str
    role: Role
    status: UserStatus
    invited_by: str | None
    invitation_expires_at: str | None
    created_at: str
    joined_at: str | None
    removed_at: str | None


class Variant(TypedDict):
    """One arm: its share of the people, and what differs from the campaign."""

    name: str
    percent: str
    template_id: NotRequired[str | None]
    parameters: NotRequired[dict[str, FromAttribute | FromValue] | None]


class Waiting(TypedDict):
    """Queued messages that wait for one reason."""

    reason: str
    messages: int | None
    until: str | None
    detail: NotRequired[str | None]


class Wave(TypedDict):
    """One wave of a canary."""

    wave: int
    percent: str
    released: bool
    messages: int
    open: int
    failed: int


class Waves(TypedDict):
    """Where a campaign's canary is."""

    campaign_id: str
    status: str
    status_reason: str | None
    released_wave: int
    wave_released_at: str | None
    waves: list[Wave]


class Window(TypedDict):
    """A rehearsal: the operation answers 410 in this time."""

    starts_at: str
    ends_at: str


AttributeType = Literal["text", "number", "date", "boolean", "enum"]


JobKind = Literal["import", "export", "plan", "redrive"]


JobStatus = Literal["queued", "running", "finished", "failed", "cancelled"]


KeyState = Literal["active", "expired", "revoked"]


LiftReason = Literal["person_asked", "mistake", "number_works", "other"]


Phase = Literal["announced", "deprecated", "brown_out", "gone"]


Presence = Literal["active", "suspended"]


Role = Literal["owner", "admin", "marketer", "approver", "finance", "viewer"]


Scope = Literal["account:own", "tenant:read", "tenant:manage", "users:read", "users:manage", "api-keys:manage", "numbers:read", "numbers:sync", "contacts:read", "contacts:write", "consents:read", "consents:write", "templates:read", "templates:sync", "templates:write", "campaigns:read", "campaigns:write", "campaigns:approve", "messages:read", "messages:send", "usage:read", "invoices:read", "exports:read", "exports:write", "webhooks:read", "webhooks:manage", "audit:read"]


SuppressionReason = Literal["person_asked", "complaint", "legal", "wrong_number", "other"]


SuppressionScope = Literal["everything", "marketing", "authentication", "nothing"]


TenantEventType = Literal["message.accepted", "message.held", "message.sent", "message.delivered", "message.read", "message.failed", "message.in_doubt", "message.cancelled", "message.expired", "message.redriven", "message.inbound", "campaign.planning", "campaign.planned", "campaign.plan_failed", "campaign.approved", "campaign.started", "campaign.paused", "campaign.resumed", "campaign.cancelled", "campaign.finished", "campaign.reopened", "template.status_changed", "template.quality_changed", "template.category_changed", "number.quality_changed", "number.throughput_changed", "number.paused", "number.resumed", "account.blocked", "account.unblocked", "consent.changed", "import.finished", "import.failed", "webhook.test"]


UserStatus = Literal["invited", "active", "suspended", "removed"]


class Client(BaseClient):
    """Every operation under its own name; `iter_...` reads a list to its end."""

    def log_in(self, body: LogIn) -> Tokens:
        """Sign in."""
        answer = self._call("POST", "/v1/login", json=body)
        return cast("Tokens", answer.json())

    def refresh_token(self, body: Refresh) -> Tokens:
        """Stay signed in."""
        answer = self._call("POST", "/v1/token/refresh", json=body)
        return cast("Tokens", answer.json())

    def log_out(self) -> None:
        """Sign out."""
        self._call("POST", "/v1/logout")

    def log_out_everywhere(self) -> None:
        """Sign out everywhere."""
        self._call("POST", "/v1/logout-everywhere")

    def list_sessions(
        self,
        *,
        limit: int | None = None,
        cursor: str | None = None,
        created_from: str | None = None,
        created_to: str | None = None,
    ) -> Page_Session_:
        """Where you are signed in."""
        answer = self._call(
            "GET",
            "/v1/sessions",
            query={"limit": limit, "cursor": cursor, "created_from": created_from, "created_to": created_to},
        )
        return cast("Page_Session_", answer.json())

    def iter_sessions(
        self,
        *,
        limit: int | None = None,
        created_from: str | None = None,
        created_to: str | None = None,
    ) -> Iterator[Session]:
        """Where you are signed in: all of them, page by page."""
        yield from self._pages(
            "/v1/sessions",
            {"limit": limit, "created_from": created_from, "created_to": created_to},
        )

    def end_session(self, session_id: str) -> None:
        """End one of your sessions."""
        self._call("DELETE", f"/v1/sessions/{part(session_id)}")

    def get_me(self) -> Me:
        """Who you are, and what you may do."""
        answer = self._call("GET", "/v1/users/me")
        return cast("Me", answer.json())

    def change_password(self, body: ChangePassword) -> None:
        """Change your password."""
        self._call("POST", "/v1/users/me/password", json=body)

    def list_users(
        self,
        *,
        state: UserStatus | None = None,
        role: Role | None = None,
        limit: int | None = None,
        cursor: str | None = None,
        created_from: str | None = None,
        created_to: str | None = None,
    ) -> Page_User_:
        """The people of your tenant."""
        answer = self._call(
            "GET",
            "/v1/users",
            query={"state": state, "role": role, "limit": limit, "cursor": cursor, "created_from": created_from, "created_to": created_to},
        )
        return cast("Page_User_", answer.json())

    def iter_users(
        self,
        *,
        state: UserStatus | None = None,
        role: Role | None = None,
        limit: int | None = None,
        created_from: str | None = None,
        created_to: str | None = None,
    ) -> Iterator[User]:
        """The people of your tenant: all of them, page by page."""
        yield from self._pages(
            "/v1/users",
            {"state": state, "role": role, "limit": limit, "created_from": created_from, "created_to": created_to},
        )

    def invite_user(self, body: InviteUser) -> Invitation:
        """Invite a person."""
        answer = self._call("POST", "/v1/users", json=body)
        return cast("Invitation", answer.json())

    def get_user(self, user_id: str) -> User:
        """One person."""
        answer = self._call("GET", f"/v1/users/{part(user_id)}")
        return cast("User", answer.json())

    def change_user(self, user_id: str, body: ChangeUser, *, if_match: str | None = None) -> User:
        """Change name, role or status."""
        answer = self._call(
            "PATCH",
            f"/v1/users/{part(user_id)}",
            json=body,
            headers={"If-Match": if_match},
        )
        return cast("User", answer.json())

    def remove_user(self, user_id: str, *, if_match: str | None = None) -> None:
        """Remove a person, or withdraw an invitation."""
        self._call("DELETE", f"/v1/users/{part(user_id)}", headers={"If-Match": if_match})

    def renew_invitation(self, user_id: str) -> Invitation:
        """Make a new invitation token."""
        answer = self._call("POST", f"/v1/users/{part(user_id)}/invitation")
        return cast("Invitation", answer.json())

    def accept_invitation(self, body: AcceptInvitation) -> Joined:
        """Join with an invitation."""
        answer = self._call("POST", "/v1/invitations/accept", json=body)
        return cast("Joined", answer.json())

    def get_tenant(self) -> Tenant:
        """Your tenant."""
        answer = self._call("GET", "/v1/tenant")
        return cast("Tenant", answer.json())

    def change_tenant(self, body: ChangeTenant, *, if_match: str | None = None) -> Tenant:
        """Change your tenant's name and rules."""
        answer = self._call("PATCH", "/v1/tenant", json=body, headers={"If-Match": if_match})
        return cast("Tenant", answer.json())

    def create_api_key(self, body: CreateApiKey) -> NewApiKey:
        """Make an API key."""
        answer = self._call("POST", "/v1/api-keys", json=body)
        return cast("NewApiKey", answer.json())

    def list_api_keys(
        self,
        *,
        state: KeyState | None = None,
        made_by: str | None = None,
        limit: int | None = None,
        cursor: str | None = None,
        created_from: str | None = None,
        created_to: str | None = None,
    ) -> Page_ApiKey_:
        """Your API keys."""
        answer = self._call(
            "GET",
            "/v1/api-keys",
            query={"state": state, "made_by": made_by, "limit": limit, "cursor": cursor, "created_from": created_from, "created_to": created_to},
        )
        return cast("Page_ApiKey_", answer.json())

    def iter_api_keys(
        self,
        *,
        state: KeyState | None = None,
        made_by: str | None = None,
        limit: int | None = None,
        created_from: str | None = None,
        created_to: str | None = None,
    ) -> Iterator[ApiKey]:
        """Your API keys: all of them, page by page."""
        yield from self._pages(
            "/v1/api-keys",
            {"state": state, "made_by": made_by, "limit": limit, "created_from": created_from, "created_to": created_to},
        )

    def get_api_key(self, api_key_id: str) -> ApiKey:
        """One API key."""
        answer = self._call("GET", f"/v1/api-keys/{part(api_key_id)}")
        return cast("ApiKey", answer.json())

    def change_api_key(
        self,
        api_key_id: str,
        body: ChangeApiKey,
        *,
        if_match: str | None = None,
    ) -> ApiKey:
        """Change name, scopes or end of a key."""
        answer = self._call(
            "PATCH",
            f"/v1/api-keys/{part(api_key_id)}",
            json=body,
            headers={"If-Match": if_match},
        )
        return cast("ApiKey", answer.json())

    def revoke_api_key(self, api_key_id: str, *, if_match: str | None = None) -> None:
        """Revoke an API key."""
        self._call("DELETE", f"/v1/api-keys/{part(api_key_id)}", headers={"If-Match": if_match})

    def rotate_api_key(self, api_key_id: str, body: RotateApiKey) -> NewApiKey:
        """Replace a key, with an overlap."""
        answer = self._call("POST", f"/v1/api-keys/{part(api_key_id)}/rotate", json=body)
        return cast("NewApiKey", answer.json())

    def list_numbers(
        self,
        *,
        state: Literal["ready", "slowed", "paused", "blocked", "stopped"] | None = None,
        limit: int | None = None,
        cursor: str | None = None,
        created_from: str | None = None,
        created_to: str | None = None,
    ) -> Page_Number_:
        """Your numbers."""
        answer = self._call(
            "GET",
            "/v1/numbers",
            query={"state": state, "limit": limit, "cursor": cursor, "created_from": created_from, "created_to": created_to},
        )
        return cast("Page_Number_", answer.json())

    def iter_numbers(
        self,
        *,
        state: Literal["ready", "slowed", "paused", "blocked", "stopped"] | None = None,
        limit: int | None = None,
        created_from: str | None = None,
        created_to: str | None = None,
    ) -> Iterator[Number]:
        """Your numbers: all of them, page by page."""
        yield from self._pages(
            "/v1/numbers",
            {"state": state, "limit": limit, "created_from": created_from, "created_to": created_to},
        )

    def get_number(self, phone_number_id: str) -> NumberHealth:
        """One number and its health."""
        answer = self._call("GET", f"/v1/numbers/{part(phone_number_id)}")
        return cast("NumberHealth", answer.json())

    def sync_numbers(self) -> NumbersSynced:
        """Take your numbers over from Meta."""
        answer = self._call("POST", "/v1/numbers/sync")
        return cast("NumbersSynced", answer.json())

    def list_portfolios(
        self,
        *,
        limit: int | None = None,
        cursor: str | None = None,
        created_from: str | None = None,
        created_to: str | None = None,
    ) -> Page_Portfolio_:
        """Your messaging limits."""
        answer = self._call(
            "GET",
            "/v1/portfolios",
            query={"limit": limit, "cursor": cursor, "created_from": created_from, "created_to": created_to},
        )
        return cast("Page_Portfolio_", answer.json())

    def iter_portfolios(
        self,
        *,
        limit: int | None = None,
        created_from: str | None = None,
        created_to: str | None = None,
    ) -> Iterator[Portfolio]:
        """Your messaging limits: all of them, page by page."""
        yield from self._pages(
            "/v1/portfolios",
            {"limit": limit, "created_from": created_from, "created_to": created_to},
        )

    def import_contacts(
        self,
        content: bytes,
        content_type: Literal["text/csv", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"],
        *,
        list: str,
        region: str | None = None,
        file_name: str | None = None,
        columns: str | None = None,
        dry_run: bool | None = None,
        consent_channel: str | None = None,
        consent_text_version: str | None = None,
        consent_evidence: str | None = None,
        idempotency_key: str | None = None,
    ) -> Import:
        """Import a file of contacts."""
        answer = self._call(
            "POST",
            "/v1/contacts/imports",
            content=content,
            query={"list": list, "region": region, "file_name": file_name, "columns": columns, "dry_run": dry_run, "consent_channel": consent_channel, "consent_text_version": consent_text_version, "consent_evidence": consent_evidence},
            headers={"Idempotency-Key": idempotency_key or new_key(), "Content-Type": content_type},
        )
        return cast("Import", answer.json())

    def list_imports(
        self,
        *,
        state: Literal["queued", "running", "finished", "failed"] | None = None,
        dry_run: bool | None = None,
        limit: int | None = None,
        cursor: str | None = None,
        created_from: str | None = None,
        created_to: str | None = None,
    ) -> Page_Import_:
        """Your imports."""
        answer = self._call(
            "GET",
            "/v1/contacts/imports",
            query={"state": state, "dry_run": dry_run, "limit": limit, "cursor": cursor, "created_from": created_from, "created_to": created_to},
        )
        return cast("Page_Import_", answer.json())

    def iter_imports(
        self,
        *,
        state: Literal["queued", "running", "finished", "failed"] | None = None,
        dry_run: bool | None = None,
        limit: int | None = None,
        created_from: str | None = None,
        created_to: str | None = None,
    ) -> Iterator[Import]:
        """Your imports: all of them, page by page."""
        yield from self._pages(
            "/v1/contacts/imports",
            {"state": state, "dry_run": dry_run, "limit": limit, "created_from": created_from, "created_to": created_to},
        )

    def get_import(self, import_id: str) -> Import:
        """One import."""
        answer = self._call("GET", f"/v1/contacts/imports/{part(import_id)}")
        return cast("Import", answer.json())

    def download_import_errors(self, import_id: str) -> bytes:
        """The row-level file of an import."""
        answer = self._call("GET", f"/v1/contacts/imports/{part(import_id)}/errors")
        return answer.content

    def save_contact(
        self,
        body: SaveContact,
        *,
        idempotency_key: str | None = None,
    ) -> SavedContact:
        """Save a contact."""
        answer = self._call(
            "POST",
            "/v1/contacts",
            json=body,
            headers={"Idempotency-Key": idempotency_key or new_key()},
        )
        return cast("SavedContact", answer.json())

    def list_contacts(
        self,
        *,
        list_id: str | None = None,
        updated_from: str | None = None,
        updated_to: str | None = None,
        limit: int | None = None,
        cursor: str | None = None,
        created_from: str | None = None,
        created_to: str | None = None,
    ) -> Page_Contact_:
        """Your contacts."""
        answer = self._call(
            "GET",
            "/v1/contacts",
            query={"list_id": list_id, "updated_from": updated_from, "updated_to": updated_to, "limit": limit, "cursor": cursor, "created_from": created_from, "created_to": created_to},
        )
        return cast("Page_Contact_", answer.json())

    def iter_contacts(
        self,
        *,
        list_id: str | None = None,
        updated_from: str | None = None,
        updated_to: str | None = None,
        limit: int | None = None,
        created_from: str | None = None,
        created_to: str | None = None,
    ) -> Iterator[Contact]:
        """Your contacts: all of them, page by page."""
        yield from self._pages(
            "/v1/contacts",
            {"list_id": list_id, "updated_from": updated_from, "updated_to": updated_to, "limit": limit, "created_from": created_from, "created_to": created_to},
        )

    def save_contacts(
        self,
        body: SaveContacts,
        *,
        idempotency_key: str | None = None,
    ) -> BulkResult:
        """Save many contacts."""
        answer = self._call(
            "POST",
            "/v1/contacts/bulk",
            json=body,
            headers={"Idempotency-Key": idempotency_key or new_key()},
        )
        return cast("BulkResult", answer.json())

    def get_contact(self, contact_id: str) -> Contact:
        """One contact."""
        answer = self._call("GET", f"/v1/contacts/{part(contact_id)}")
        return cast("Contact", answer.json())

    def create_list(self, body: CreateList) -> ContactList:
        """Make a list."""
        answer = self._call("POST", "/v1/lists", json=body)
        return cast("ContactList", answer.json())

    def list_lists(
        self,
        *,
        limit: int | None = None,
        cursor: str | None = None,
        created_from: str | None = None,
        created_to: str | None = None,
    ) -> Page_ContactList_:
        """Your lists."""
        answer = self._call(
            "GET",
            "/v1/lists",
            query={"limit": limit, "cursor": cursor, "created_from": created_from, "created_to": created_to},
        )
        return cast("Page_ContactList_", answer.json())

    def iter_lists(
        self,
        *,
        limit: int | None = None,
        created_from: str | None = None,
        created_to: str | None = None,
    ) -> Iterator[ContactList]:
        """Your lists: all of them, page by page."""
        yield from self._pages(
            "/v1/lists",
            {"limit": limit, "created_from": created_from, "created_to": created_to},
        )

    def get_list(self, list_id: str) -> ContactList:
        """One list."""
        answer = self._call("GET", f"/v1/lists/{part(list_id)}")
        return cast("ContactList", answer.json())

    def change_members(
        self,
        list_id: str,
        body: ChangeMembers,
        *,
        idempotency_key: str | None = None,
    ) -> BulkResult:
        """Put people on a list, take others off."""
        answer = self._call(
            "POST",
            f"/v1/lists/{part(list_id)}/members",
            json=body,
            headers={"Idempotency-Key": idempotency_key or new_key()},
        )
        return cast("BulkResult", answer.json())

    def declare_attribute(
        self,
        body: DeclareAttribute,
        *,
        idempotency_key: str | None = None,
    ) -> ContactAttribute:
        """Declare an attribute of contacts."""
        answer = self._call(
            "POST",
            "/v1/contact-attributes",
            json=body,
            headers={"Idempotency-Key": idempotency_key or new_key()},
        )
        return cast("ContactAttribute", answer.json())

    def list_attributes(
        self,
        *,
        limit: int | None = None,
        cursor: str | None = None,
        created_from: str | None = None,
        created_to: str | None = None,
    ) -> Page_ContactAttribute_:
        """Your attributes of contacts."""
        answer = self._call(
            "GET",
            "/v1/contact-attributes",
            query={"limit": limit, "cursor": cursor, "created_from": created_from, "created_to": created_to},
        )
        return cast("Page_ContactAttribute_", answer.json())

    def iter_attributes(
        self,
        *,
        limit: int | None = None,
        created_from: str | None = None,
        created_to: str | None = None,
    ) -> Iterator[ContactAttribute]:
        """Your attributes of contacts: all of them, page by page."""
        yield from self._pages(
            "/v1/contact-attributes",
            {"limit": limit, "created_from": created_from, "created_to": created_to},
        )

    def get_attribute(self, attribute_id: str) -> ContactAttribute:
        """One attribute of contacts."""
        answer = self._call("GET", f"/v1/contact-attributes/{part(attribute_id)}")
        return cast("ContactAttribute", answer.json())

    def change_attribute(
        self,
        attribute_id: str,
        body: ChangeAttribute,
        *,
        if_match: str | None = None,
    ) -> ContactAttribute:
        """Change an attribute of contacts."""
        answer = self._call(
            "PATCH",
            f"/v1/contact-attributes/{part(attribute_id)}",
            json=body,
            headers={"If-Match": if_match},
        )
        return cast("ContactAttribute", answer.json())

    def delete_attribute(self, attribute_id: str, *, if_match: str | None = None) -> None:
        """Take a declaration back."""
        self._call(
            "DELETE",
            f"/v1/contact-attributes/{part(attribute_id)}",
            headers={"If-Match": if_match},
        )

    def make_quote(self, body: AskQuote) -> Quote:
        """What messages would cost."""
        answer = self._call("POST", "/v1/quotes", json=body)
        return cast("Quote", answer.json())

    def create_segment(self, body: CreateSegment, *, idempotency_key: str | None = None) -> Segment:
        """Describe people by a filter."""
        answer = self._call(
            "POST",
            "/v1/segments",
            json=body,
            headers={"Idempotency-Key": idempotency_key or new_key()},
        )
        return cast("Segment", answer.json())

    def list_segments(
        self,
        *,
        limit: int | None = None,
        cursor: str | None = None,
        created_from: str | None = None,
        created_to: str | None = None,
    ) -> Page_Segment_:
        """Your segments."""
        answer = self._call(
            "GET",
            "/v1/segments",
            query={"limit": limit, "cursor": cursor, "created_from": created_from, "created_to": created_to},
        )
        return cast("Page_Segment_", answer.json())

    def iter_segments(
        self,
        *,
        limit: int | None = None,
        created_from: str | None = None,
        created_to: str | None = None,
    ) -> Iterator[Segment]:
        """Your segments: all of them, page by page."""
        yield from self._pages(
            "/v1/segments",
            {"limit": limit, "created_from": created_from, "created_to": created_to},
        )

    def preview_segment(self, body: PreviewSegment) -> SegmentPreview:
        """Try a filter."""
        answer = self._call("POST", "/v1/segments/preview", json=body)
        return cast("SegmentPreview", answer.json())

    def get_segment(self, segment_id: str) -> Segment:
        """One segment."""
        answer = self._call("GET", f"/v1/segments/{part(segment_id)}")
        return cast("Segment", answer.json())

    def change_segment(
        self,
        segment_id: str,
        body: ChangeSegment,
        *,
        if_match: str | None = None,
    ) -> Segment:
        """Change a segment."""
        answer = self._call(
            "PATCH",
            f"/v1/segments/{part(segment_id)}",
            json=body,
            headers={"If-Match": if_match},
        )
        return cast("Segment", answer.json())

    def delete_segment(self, segment_id: str, *, if_match: str | None = None) -> None:
        """Delete a segment."""
        self._call("DELETE", f"/v1/segments/{part(segment_id)}", headers={"If-Match": if_match})

    def record_consent(
        self,
        body: RecordConsent,
        *,
        idempotency_key: str | None = None,
    ) -> RecordedConsent:
        """Record a consent or a withdrawal."""
        answer = self._call(
            "POST",
            "/v1/consents",
            json=body,
            headers={"Idempotency-Key": idempotency_key or new_key()},
        )
        return cast("RecordedConsent", answer.json())

    def list_consents(
        self,
        contact_id: str,
        *,
        limit: int | None = None,
        cursor: str | None = None,
        created_from: str | None = None,
        created_to: str | None = None,
    ) -> ContactConsents:
        """A person's consents."""
        answer = self._call(
            "GET",
            f"/v1/contacts/{part(contact_id)}/consents",
            query={"limit": limit, "cursor": cursor, "created_from": created_from, "created_to": created_to},
        )
        return cast("ContactConsents", answer.json())

    def iter_consents(
        self,
        contact_id: str,
        *,
        limit: int | None = None,
        created_from: str | None = None,
        created_to: str | None = None,
    ) -> Iterator[Consent]:
        """A person's consents: all of them, page by page."""
        yield from self._pages(
            f"/v1/contacts/{part(contact_id)}/consents",
            {"limit": limit, "created_from": created_from, "created_to": created_to},
        )

    def get_consent_proof(self, contact_id: str) -> ConsentProof:
        """The proof of a person's consents."""
        answer = self._call("GET", f"/v1/contacts/{part(contact_id)}/consent-proof")
        return cast("ConsentProof", answer.json())

    def list_consent_keywords(self) -> ConsentKeywords:
        """Your words of consent."""
        answer = self._call("GET", "/v1/consent-keywords")
        return cast("ConsentKeywords", answer.json())

    def put_consent_keywords(
        self,
        body: PutConsentKeywords,
        *,
        if_match: str | None = None,
    ) -> ConsentKeywords:
        """Set your words of consent."""
        answer = self._call(
            "PUT",
            "/v1/consent-keywords",
            json=body,
            headers={"If-Match": if_match},
        )
        return cast("ConsentKeywords", answer.json())

    def get_opt_out_answer(self) -> OptOutAnswer:
        """What is answered to who withdraws."""
        answer = self._call("GET", "/v1/opt-out-answer")
        return cast("OptOutAnswer", answer.json())

    def put_opt_out_answer(
        self,
        body: PutOptOutAnswer,
        *,
        if_match: str | None = None,
    ) -> OptOutAnswer:
        """Set what is answered to who withdraws."""
        answer = self._call("PUT", "/v1/opt-out-answer", json=body, headers={"If-Match": if_match})
        return cast("OptOutAnswer", answer.json())

    def get_status(self) -> SystemStatus:
        """What works now."""
        answer = self._call("GET", "/v1/status")
        return cast("SystemStatus", answer.json())

    def add_suppression(
        self,
        body: AddSuppression,
        *,
        idempotency_key: str | None = None,
    ) -> Suppression:
        """Leave a person alone."""
        answer = self._call(
            "POST",
            "/v1/suppressions",
            json=body,
            headers={"Idempotency-Key": idempotency_key or new_key()},
        )
        return cast("Suppression", answer.json())

    def list_suppressions(
        self,
        *,
        scope: SuppressionScope | None = None,
        reason: str | None = None,
        error_code: int | None = None,
        limit: int | None = None,
        cursor: str | None = None,
        created_from: str | None = None,
        created_to: str | None = None,
    ) -> Page_Suppression_:
        """Who is left alone."""
        answer = self._call(
            "GET",
            "/v1/suppressions",
            query={"scope": scope, "reason": reason, "error_code": error_code, "limit": limit, "cursor": cursor, "created_from": created_from, "created_to": created_to},
        )
        return cast("Page_Suppression_", answer.json())

    def iter_suppressions(
        self,
        *,
        scope: SuppressionScope | None = None,
        reason: str | None = None,
        error_code: int | None = None,
        limit: int | None = None,
        created_from: str | None = None,
        created_to: str | None = None,
    ) -> Iterator[Suppression]:
        """Who is left alone: all of them, page by page."""
        yield from self._pages(
            "/v1/suppressions",
            {"scope": scope, "reason": reason, "error_code": error_code, "limit": limit, "created_from": created_from, "created_to": created_to},
        )

    def add_suppressions(
        self,
        body: AddSuppressions,
        *,
        idempotency_key: str | None = None,
    ) -> BulkResult:
        """Leave many people alone."""
        answer = self._call(
            "POST",
            "/v1/suppressions/bulk",
            json=body,
            headers={"Idempotency-Key": idempotency_key or new_key()},
        )
        return cast("BulkResult", answer.json())

    def get_suppression(self, contact_id: str) -> Suppression:
        """Why a person is left alone."""
        answer = self._call("GET", f"/v1/suppressions/{part(contact_id)}")
        return cast("Suppression", answer.json())

    def lift_suppression(self, contact_id: str, body: LiftSuppression) -> Suppression:
        """Write to a person again."""
        answer = self._call("POST", f"/v1/suppressions/{part(contact_id)}/lift", json=body)
        return cast("Suppression", answer.json())

    def sync_templates(self) -> TemplatesSynced:
        """Take your templates over from Meta."""
        answer = self._call("POST", "/v1/templates/sync")
        return cast("TemplatesSynced", answer.json())

    def create_template(
        self,
        body: CreateTemplate,
        *,
        idempotency_key: str | None = None,
    ) -> TemplateDetail:
        """Write a template."""
        answer = self._call(
            "POST",
            "/v1/templates",
            json=body,
            headers={"Idempotency-Key": idempotency_key or new_key()},
        )
        return cast("TemplateDetail", answer.json())

    def list_templates(
        self,
        *,
        state: Literal["DRAFT", "PENDING", "APPROVED", "REJECTED", "PAUSED", "DISABLED", "FLAGGED", "IN_APPEAL", "LIMIT_EXCEEDED", "LOCKED", "ARCHIVED", "PENDING_DELETION", "DELETED"] | None = None,
        category: Literal["marketing", "utility", "authentication"] | None = None,
        name: str | None = None,
        limit: int | None = None,
        cursor: str | None = None,
        created_from: str | None = None,
        created_to: str | None = None,
    ) -> Page_Template_:
        """Your templates."""
        answer = self._call(
            "GET",
            "/v1/templates",
            query={"state": state, "category": category, "name": name, "limit": limit, "cursor": cursor, "created_from": created_from, "created_to": created_to},
        )
        return cast("Page_Template_", answer.json())

    def iter_templates(
        self,
        *,
        state: Literal["DRAFT", "PENDING", "APPROVED", "REJECTED", "PAUSED", "DISABLED", "FLAGGED", "IN_APPEAL", "LIMIT_EXCEEDED", "LOCKED", "ARCHIVED", "PENDING_DELETION", "DELETED"] | None = None,
        category: Literal["marketing", "utility", "authentication"] | None = None,
        name: str | None = None,
        limit: int | None = None,
        created_from: str | None = None,
        created_to: str | None = None,
    ) -> Iterator[Template]:
        """Your templates: all of them, page by page."""
        yield from self._pages(
            "/v1/templates",
            {"state": state, "category": category, "name": name, "limit": limit, "created_from": created_from, "created_to": created_to},
        )

    def get_template(self, template_id: str) -> TemplateDetail:
        """One template."""
        answer = self._call("GET", f"/v1/templates/{part(template_id)}")
        return cast("TemplateDetail", answer.json())

    def edit_template(
        self,
        template_id: str,
        body: EditTemplate,
        *,
        if_match: str | None = None,
    ) -> TemplateDetail:
        """Change a template."""
        answer = self._call(
            "PATCH",
            f"/v1/templates/{part(template_id)}",
            json=body,
            headers={"If-Match": if_match},
        )
        return cast("TemplateDetail", answer.json())

    def delete_template(self, template_id: str, *, if_match: str | None = None) -> None:
        """Delete a template."""
        self._call("DELETE", f"/v1/templates/{part(template_id)}", headers={"If-Match": if_match})

    def submit_template(self, template_id: str) -> TemplateDetail:
        """Hand a draft in to Meta."""
        answer = self._call("POST", f"/v1/templates/{part(template_id)}/submit")
        return cast("TemplateDetail", answer.json())

    def preview_template(self, template_id: str, body: PreviewTemplate) -> TemplatePreview:
        """See a template with values."""
        answer = self._call("POST", f"/v1/templates/{part(template_id)}/preview", json=body)
        return cast("TemplatePreview", answer.json())

    def create_campaign(
        self,
        body: CreateCampaign,
        *,
        idempotency_key: str | None = None,
    ) -> Campaign:
        """Create a campaign."""
        answer = self._call(
            "POST",
            "/v1/campaigns",
            json=body,
            headers={"Idempotency-Key": idempotency_key or new_key()},
        )
        return cast("Campaign", answer.json())

    def list_campaigns(
        self,
        *,
        state: Literal["draft", "planning", "planned", "plan_failed", "approved", "scheduled", "running", "paused", "cancelled", "finished", "finished_with_failures"] | None = None,
        limit: int | None = None,
        cursor: str | None = None,
        created_from: str | None = None,
        created_to: str | None = None,
    ) -> Page_CampaignSummary_:
        """Your campaigns."""
        answer = self._call(
            "GET",
            "/v1/campaigns",
            query={"state": state, "limit": limit, "cursor": cursor, "created_from": created_from, "created_to": created_to},
        )
        return cast("Page_CampaignSummary_", answer.json())

    def iter_campaigns(
        self,
        *,
        state: Literal["draft", "planning", "planned", "plan_failed", "approved", "scheduled", "running", "paused", "cancelled", "finished", "finished_with_failures"] | None = None,
        limit: int | None = None,
        created_from: str | None = None,
        created_to: str | None = None,
    ) -> Iterator[CampaignSummary]:
        """Your campaigns: all of them, page by page."""
        yield from self._pages(
            "/v1/campaigns",
            {"state": state, "limit": limit, "created_from": created_from, "created_to": created_to},
        )

    def get_campaign(self, campaign_id: str) -> Campaign:
        """One campaign."""
        answer = self._call("GET", f"/v1/campaigns/{part(campaign_id)}")
        return cast("Campaign", answer.json())

    def change_campaign(
        self,
        campaign_id: str,
        body: ChangeCampaign,
        *,
        if_match: str | None = None,
    ) -> Campaign:
        """Schedule, reschedule, unschedule."""
        answer = self._call(
            "PATCH",
            f"/v1/campaigns/{part(campaign_id)}",
            json=body,
            headers={"If-Match": if_match},
        )
        return cast("Campaign", answer.json())

    def get_campaign_stats(self, campaign_id: str) -> CampaignStats:
        """Where every message of a campaign is."""
        answer = self._call("GET", f"/v1/campaigns/{part(campaign_id)}/stats")
        return cast("CampaignStats", answer.json())

    def plan_campaign(self, campaign_id: str, body: PlanRequest | None | None = None) -> Campaign:
        """Plan a campaign."""
        answer = self._call("POST", f"/v1/campaigns/{part(campaign_id)}/plan", json=body)
        return cast("Campaign", answer.json())

    def approve_campaign(self, campaign_id: str, body: Approve) -> Campaign:
        """Approve a plan."""
        answer = self._call("POST", f"/v1/campaigns/{part(campaign_id)}/approve", json=body)
        return cast("Campaign", answer.json())

    def launch_campaign(self, campaign_id: str) -> Campaign:
        """Launch a campaign."""
        answer = self._call("POST", f"/v1/campaigns/{part(campaign_id)}/launch")
        return cast("Campaign", answer.json())

    def pause_campaign(self, campaign_id: str) -> Campaign:
        """Pause a campaign."""
        answer = self._call("POST", f"/v1/campaigns/{part(campaign_id)}/pause")
        return cast("Campaign", answer.json())

    def resume_campaign(self, campaign_id: str, body: Resume | None | None = None) -> Campaign:
        """Resume a campaign."""
        answer = self._call("POST", f"/v1/campaigns/{part(campaign_id)}/resume", json=body)
        return cast("Campaign", answer.json())

    def cancel_campaign(self, campaign_id: str) -> Cancelled:
        """Cancel a campaign."""
        answer = self._call("POST", f"/v1/campaigns/{part(campaign_id)}/cancel")
        return cast("Cancelled", answer.json())

    def get_campaign_experiment(self, campaign_id: str) -> ExperimentResult:
        """How the arms of an experiment do."""
        answer = self._call("GET", f"/v1/campaigns/{part(campaign_id)}/experiment")
        return cast("ExperimentResult", answer.json())

    def get_campaign_waves(self, campaign_id: str) -> Waves:
        """Where a canary is."""
        answer = self._call("GET", f"/v1/campaigns/{part(campaign_id)}/waves")
        return cast("Waves", answer.json())

    def release_campaign_wave(self, campaign_id: str) -> Waves:
        """Release the next wave by hand."""
        answer = self._call("POST", f"/v1/campaigns/{part(campaign_id)}/waves/next")
        return cast("Waves", answer.json())

    def redrive_campaign(
        self,
        campaign_id: str,
        body: RedriveRequest,
        *,
        idempotency_key: str | None = None,
    ) -> RedriveAnswer:
        """Count or try again what failed."""
        answer = self._call(
            "POST",
            f"/v1/campaigns/{part(campaign_id)}/redrives",
            json=body,
            headers={"Idempotency-Key": idempotency_key or new_key()},
        )
        return cast("RedriveAnswer", answer.json())

    def list_campaign_redrives(
        self,
        campaign_id: str,
        *,
        state: Literal["queued", "running", "finished"] | None = None,
        limit: int | None = None,
        cursor: str | None = None,
        created_from: str | None = None,
        created_to: str | None = None,
    ) -> Page_Redrive_:
        """A campaign's re-drives."""
        answer = self._call(
            "GET",
            f"/v1/campaigns/{part(campaign_id)}/redrives",
            query={"state": state, "limit": limit, "cursor": cursor, "created_from": created_from, "created_to": created_to},
        )
        return cast("Page_Redrive_", answer.json())

    def iter_campaign_redrives(
        self,
        campaign_id: str,
        *,
        state: Literal["queued", "running", "finished"] | None = None,
        limit: int | None = None,
        created_from: str | None = None,
        created_to: str | None = None,
    ) -> Iterator[Redrive]:
        """A campaign's re-drives: all of them, page by page."""
        yield from self._pages(
            f"/v1/campaigns/{part(campaign_id)}/redrives",
            {"state": state, "limit": limit, "created_from": created_from, "created_to": created_to},
        )

    def create_campaign_series(
        self,
        body: CreateSeries,
        *,
        idempotency_key: str | None = None,
    ) -> CampaignSeries:
        """Create a recurring campaign."""
        answer = self._call(
            "POST",
            "/v1/campaign-series",
            json=body,
            headers={"Idempotency-Key": idempotency_key or new_key()},
        )
        return cast("CampaignSeries", answer.json())

    def list_campaign_series(
        self,
        *,
        state: Literal["active", "paused", "ended"] | None = None,
        limit: int | None = None,
        cursor: str | None = None,
        created_from: str | None = None,
        created_to: str | None = None,
    ) -> Page_CampaignSeries_:
        """Your recurring campaigns."""
        answer = self._call(
            "GET",
            "/v1/campaign-series",
            query={"state": state, "limit": limit, "cursor": cursor, "created_from": created_from, "created_to": created_to},
        )
        return cast("Page_CampaignSeries_", answer.json())

    def iter_campaign_series(
        self,
        *,
        state: Literal["active", "paused", "ended"] | None = None,
        limit: int | None = None,
        created_from: str | None = None,
        created_to: str | None = None,
    ) -> Iterator[CampaignSeries]:
        """Your recurring campaigns: all of them, page by page."""
        yield from self._pages(
            "/v1/campaign-series",
            {"state": state, "limit": limit, "created_from": created_from, "created_to": created_to},
        )

    def get_campaign_series(self, series_id: str) -> CampaignSeries:
        """One recurring campaign."""
        answer = self._call("GET", f"/v1/campaign-series/{part(series_id)}")
        return cast("CampaignSeries", answer.json())

    def change_campaign_series(
        self,
        series_id: str,
        body: ChangeSeries,
        *,
        if_match: str | None = None,
    ) -> CampaignSeries:
        """Change a recurring campaign."""
        answer = self._call(
            "PATCH",
            f"/v1/campaign-series/{part(series_id)}",
            json=body,
            headers={"If-Match": if_match},
        )
        return cast("CampaignSeries", answer.json())

    def delete_campaign_series(self, series_id: str, *, if_match: str | None = None) -> None:
        """End a recurring campaign for ever."""
        self._call(
            "DELETE",
            f"/v1/campaign-series/{part(series_id)}",
            headers={"If-Match": if_match},
        )

    def approve_campaign_series(self, series_id: str, body: ApproveSeries) -> CampaignSeries:
        """Give a standing approval."""
        answer = self._call("POST", f"/v1/campaign-series/{part(series_id)}/approve", json=body)
        return cast("CampaignSeries", answer.json())

    def pause_campaign_series(self, series_id: str) -> CampaignSeries:
        """Pause a recurring campaign."""
        answer = self._call("POST", f"/v1/campaign-series/{part(series_id)}/pause")
        return cast("CampaignSeries", answer.json())

    def resume_campaign_series(self, series_id: str) -> CampaignSeries:
        """Resume a recurring campaign."""
        answer = self._call("POST", f"/v1/campaign-series/{part(series_id)}/resume")
        return cast("CampaignSeries", answer.json())

    def preview_campaign_series(
        self,
        series_id: str,
        *,
        count: int | None = None,
    ) -> UpcomingOccurrences:
        """When it will occur."""
        answer = self._call(
            "GET",
            f"/v1/campaign-series/{part(series_id)}/upcoming",
            query={"count": count},
        )
        return cast("UpcomingOccurrences", answer.json())

    def list_series_occurrences(
        self,
        series_id: str,
        *,
        state: Literal["draft", "planning", "planned", "plan_failed", "approved", "scheduled", "running", "paused", "cancelled", "finished", "finished_with_failures"] | None = None,
        limit: int | None = None,
        cursor: str | None = None,
        created_from: str | None = None,
        created_to: str | None = None,
    ) -> Page_Occurrence_:
        """What became of its occurrences."""
        answer = self._call(
            "GET",
            f"/v1/campaign-series/{part(series_id)}/occurrences",
            query={"state": state, "limit": limit, "cursor": cursor, "created_from": created_from, "created_to": created_to},
        )
        return cast("Page_Occurrence_", answer.json())

    def iter_series_occurrences(
        self,
        series_id: str,
        *,
        state: Literal["draft", "planning", "planned", "plan_failed", "approved", "scheduled", "running", "paused", "cancelled", "finished", "finished_with_failures"] | None = None,
        limit: int | None = None,
        created_from: str | None = None,
        created_to: str | None = None,
    ) -> Iterator[Occurrence]:
        """What became of its occurrences: all of them, page by page."""
        yield from self._pages(
            f"/v1/campaign-series/{part(series_id)}/occurrences",
            {"state": state, "limit": limit, "created_from": created_from, "created_to": created_to},
        )

    def list_plan_errors(
        self,
        campaign_id: str,
        *,
        limit: int | None = None,
        cursor: str | None = None,
    ) -> Page_PlanErrors_:
        """People whose parameters are wrong."""
        answer = self._call(
            "GET",
            f"/v1/campaigns/{part(campaign_id)}/plan/errors",
            query={"limit": limit, "cursor": cursor},
        )
        return cast("Page_PlanErrors_", answer.json())

    def iter_plan_errors(
        self,
        campaign_id: str,
        *,
        limit: int | None = None,
    ) -> Iterator[PlanErrors]:
        """People whose parameters are wrong: all of them, page by page."""
        yield from self._pages(f"/v1/campaigns/{part(campaign_id)}/plan/errors", {"limit": limit})

    def list_quiet_hours(self) -> QuietHoursRules:
        """Your quiet hours."""
        answer = self._call("GET", "/v1/quiet-hours")
        return cast("QuietHoursRules", answer.json())

    def put_quiet_hours(
        self,
        body: PutQuietHours,
        *,
        if_match: str | None = None,
    ) -> QuietHoursRule:
        """Set quiet hours."""
        answer = self._call("PUT", "/v1/quiet-hours", json=body, headers={"If-Match": if_match})
        return cast("QuietHoursRule", answer.json())

    def delete_quiet_hours(
        self,
        *,
        country: str,
        category: Literal["*", "marketing", "utility", "authentication", "service"],
        if_match: str | None = None,
    ) -> None:
        """Take quiet hours back."""
        self._call(
            "DELETE",
            "/v1/quiet-hours",
            query={"country": country, "category": category},
            headers={"If-Match": if_match},
        )

    def upload_media(
        self,
        content: bytes,
        content_type: Literal["image/jpeg", "image/png", "video/mp4", "video/3gpp", "application/pdf", "text/plain", "application/msword", "application/vnd.ms-excel", "application/vnd.ms-powerpoint", "application/vnd.openxmlformats-officedocument.wordprocessingml.document", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", "application/vnd.openxmlformats-officedocument.presentationml.presentation"],
        *,
        file_name: str,
    ) -> MediaFile:
        """Keep a file for template headers."""
        answer = self._call(
            "POST",
            "/v1/media",
            content=content,
            query={"file_name": file_name},
            headers={"Content-Type": content_type},
        )
        return cast("MediaFile", answer.json())

    def list_media(
        self,
        *,
        limit: int | None = None,
        cursor: str | None = None,
        created_from: str | None = None,
        created_to: str | None = None,
    ) -> Page_MediaFile_:
        """Your files."""
        answer = self._call(
            "GET",
            "/v1/media",
            query={"limit": limit, "cursor": cursor, "created_from": created_from, "created_to": created_to},
        )
        return cast("Page_MediaFile_", answer.json())

    def iter_media(
        self,
        *,
        limit: int | None = None,
        created_from: str | None = None,
        created_to: str | None = None,
    ) -> Iterator[MediaFile]:
        """Your files: all of them, page by page."""
        yield from self._pages(
            "/v1/media",
            {"limit": limit, "created_from": created_from, "created_to": created_to},
        )

    def get_media(self, media_file_id: str) -> MediaFileDetails:
        """One file."""
        answer = self._call("GET", f"/v1/media/{part(media_file_id)}")
        return cast("MediaFileDetails", answer.json())

    def delete_media(self, media_file_id: str) -> None:
        """Delete a file."""
        self._call("DELETE", f"/v1/media/{part(media_file_id)}")

    def send_message(
        self,
        body: SendMessage,
        *,
        idempotency_key: str | None = None,
    ) -> QueuedMessage:
        """Send one message."""
        answer = self._call(
            "POST",
            "/v1/messages",
            json=body,
            headers={"Idempotency-Key": idempotency_key or new_key()},
        )
        return cast("QueuedMessage", answer.json())

    def list_messages(
        self,
        *,
        campaign_id: str | None = None,
        contact_id: str | None = None,
        state: Literal["excluded", "queued", "sending", "in_doubt", "held", "accepted", "sent", "delivered", "read", "failed", "cancelled", "expired"] | None = None,
        limit: int | None = None,
        cursor: str | None = None,
        created_from: str | None = None,
        created_to: str | None = None,
    ) -> Page_MessageSummary_:
        """Your messages."""
        answer = self._call(
            "GET",
            "/v1/messages",
            query={"campaign_id": campaign_id, "contact_id": contact_id, "state": state, "limit": limit, "cursor": cursor, "created_from": created_from, "created_to": created_to},
        )
        return cast("Page_MessageSummary_", answer.json())

    def iter_messages(
        self,
        *,
        campaign_id: str | None = None,
        contact_id: str | None = None,
        state: Literal["excluded", "queued", "sending", "in_doubt", "held", "accepted", "sent", "delivered", "read", "failed", "cancelled", "expired"] | None = None,
        limit: int | None = None,
        created_from: str | None = None,
        created_to: str | None = None,
    ) -> Iterator[MessageSummary]:
        """Your messages: all of them, page by page."""
        yield from self._pages(
            "/v1/messages",
            {"campaign_id": campaign_id, "contact_id": contact_id, "state": state, "limit": limit, "created_from": created_from, "created_to": created_to},
        )

    def send_messages(
        self,
        body: SendMessages,
        *,
        idempotency_key: str | None = None,
    ) -> SentMessages:
        """Send many messages."""
        answer = self._call(
            "POST",
            "/v1/messages/bulk",
            json=body,
            headers={"Idempotency-Key": idempotency_key or new_key()},
        )
        return cast("SentMessages", answer.json())

    def get_message(self, message_id: str) -> Message:
        """One message."""
        answer = self._call("GET", f"/v1/messages/{part(message_id)}")
        return cast("Message", answer.json())

    def explain_message(self, message_id: str) -> Explanation:
        """The story of a message."""
        answer = self._call("GET", f"/v1/messages/{part(message_id)}/explain")
        return cast("Explanation", answer.json())

    def list_inbox(
        self,
        *,
        phone_number_id: str | None = None,
        contact_id: str | None = None,
        limit: int | None = None,
        cursor: str | None = None,
        created_from: str | None = None,
        created_to: str | None = None,
    ) -> Page_InboundMessage_:
        """What people wrote to you."""
        answer = self._call(
            "GET",
            "/v1/inbox",
            query={"phone_number_id": phone_number_id, "contact_id": contact_id, "limit": limit, "cursor": cursor, "created_from": created_from, "created_to": created_to},
        )
        return cast("Page_InboundMessage_", answer.json())

    def iter_inbox(
        self,
        *,
        phone_number_id: str | None = None,
        contact_id: str | None = None,
        limit: int | None = None,
        created_from: str | None = None,
        created_to: str | None = None,
    ) -> Iterator[InboundMessage]:
        """What people wrote to you: all of them, page by page."""
        yield from self._pages(
            "/v1/inbox",
            {"phone_number_id": phone_number_id, "contact_id": contact_id, "limit": limit, "created_from": created_from, "created_to": created_to},
        )

    def get_inbound_message(self, inbound_id: str) -> InboundMessage:
        """One message of a person."""
        answer = self._call("GET", f"/v1/inbox/{part(inbound_id)}")
        return cast("InboundMessage", answer.json())

    def get_usage(
        self,
        *,
        from_: str,
        to: str,
        category: Literal["marketing", "utility", "authentication", "service"] | None = None,
    ) -> Usage:
        """Delivered messages by day."""
        answer = self._call(
            "GET",
            "/v1/usage",
            query={"from": from_, "to": to, "category": category},
        )
        return cast("Usage", answer.json())

    def list_invoices(
        self,
        *,
        state: Literal["draft", "parked", "final"] | None = None,
        limit: int | None = None,
        cursor: str | None = None,
        created_from: str | None = None,
        created_to: str | None = None,
    ) -> Page_InvoiceSummary_:
        """Your invoices."""
        answer = self._call(
            "GET",
            "/v1/invoices",
            query={"state": state, "limit": limit, "cursor": cursor, "created_from": created_from, "created_to": created_to},
        )
        return cast("Page_InvoiceSummary_", answer.json())

    def iter_invoices(
        self,
        *,
        state: Literal["draft", "parked", "final"] | None = None,
        limit: int | None = None,
        created_from: str | None = None,
        created_to: str | None = None,
    ) -> Iterator[InvoiceSummary]:
        """Your invoices: all of them, page by page."""
        yield from self._pages(
            "/v1/invoices",
            {"state": state, "limit": limit, "created_from": created_from, "created_to": created_to},
        )

    def get_invoice(self, invoice_id: str) -> Invoice:
        """One invoice."""
        answer = self._call("GET", f"/v1/invoices/{part(invoice_id)}")
        return cast("Invoice", answer.json())

    def create_export(
        self,
        body: CreateExport,
        *,
        idempotency_key: str | None = None,
    ) -> ExportSummary:
        """Ask for an export."""
        answer = self._call(
            "POST",
            "/v1/exports",
            json=body,
            headers={"Idempotency-Key": idempotency_key or new_key()},
        )
        return cast("ExportSummary", answer.json())

    def list_exports(
        self,
        *,
        state: Literal["queued", "running", "ready", "failed", "expired"] | None = None,
        limit: int | None = None,
        cursor: str | None = None,
        created_from: str | None = None,
        created_to: str | None = None,
    ) -> Page_ExportSummary_:
        """Your exports."""
        answer = self._call(
            "GET",
            "/v1/exports",
            query={"state": state, "limit": limit, "cursor": cursor, "created_from": created_from, "created_to": created_to},
        )
        return cast("Page_ExportSummary_", answer.json())

    def iter_exports(
        self,
        *,
        state: Literal["queued", "running", "ready", "failed", "expired"] | None = None,
        limit: int | None = None,
        created_from: str | None = None,
        created_to: str | None = None,
    ) -> Iterator[ExportSummary]:
        """Your exports: all of them, page by page."""
        yield from self._pages(
            "/v1/exports",
            {"state": state, "limit": limit, "created_from": created_from, "created_to": created_to},
        )

    def get_export(self, export_id: str) -> Export:
        """One export."""
        answer = self._call("GET", f"/v1/exports/{part(export_id)}")
        return cast("Export", answer.json())

    def download_export(self, export_id: str) -> bytes:
        """The file of an export."""
        answer = self._call("GET", f"/v1/exports/{part(export_id)}/download")
        return answer.content

    def create_webhook_endpoint(self, body: CreateEndpoint) -> NewEndpoint:
        """Create a webhook endpoint."""
        answer = self._call("POST", "/v1/webhook-endpoints", json=body)
        return cast("NewEndpoint", answer.json())

    def list_webhook_endpoints(
        self,
        *,
        state: Literal["enabled", "disabled"] | None = None,
        limit: int | None = None,
        cursor: str | None = None,
        created_from: str | None = None,
        created_to: str | None = None,
    ) -> Page_Endpoint_:
        """Your webhook endpoints."""
        answer = self._call(
            "GET",
            "/v1/webhook-endpoints",
            query={"state": state, "limit": limit, "cursor": cursor, "created_from": created_from, "created_to": created_to},
        )
        return cast("Page_Endpoint_", answer.json())

    def iter_webhook_endpoints(
        self,
        *,
        state: Literal["enabled", "disabled"] | None = None,
        limit: int | None = None,
        created_from: str | None = None,
        created_to: str | None = None,
    ) -> Iterator[Endpoint]:
        """Your webhook endpoints: all of them, page by page."""
        yield from self._pages(
            "/v1/webhook-endpoints",
            {"state": state, "limit": limit, "created_from": created_from, "created_to": created_to},
        )

    def get_webhook_endpoint(self, endpoint_id: str) -> Endpoint:
        """One webhook endpoint."""
        answer = self._call("GET", f"/v1/webhook-endpoints/{part(endpoint_id)}")
        return cast("Endpoint", answer.json())

    def change_webhook_endpoint(
        self,
        endpoint_id: str,
        body: ChangeEndpoint,
        *,
        if_match: str | None = None,
    ) -> Endpoint:
        """Change a webhook endpoint."""
        answer = self._call(
            "PATCH",
            f"/v1/webhook-endpoints/{part(endpoint_id)}",
            json=body,
            headers={"If-Match": if_match},
        )
        return cast("Endpoint", answer.json())

    def delete_webhook_endpoint(self, endpoint_id: str, *, if_match: str | None = None) -> None:
        """Delete a webhook endpoint."""
        self._call(
            "DELETE",
            f"/v1/webhook-endpoints/{part(endpoint_id)}",
            headers={"If-Match": if_match},
        )

    def rotate_webhook_secret(
        self,
        endpoint_id: str,
        body: RotateSecret | None | None = None,
    ) -> NewEndpoint:
        """Get a new secret."""
        answer = self._call(
            "POST",
            f"/v1/webhook-endpoints/{part(endpoint_id)}/rotate-secret",
            json=body,
        )
        return cast("NewEndpoint", answer.json())

    def test_webhook_endpoint(
        self,
        endpoint_id: str,
        *,
        idempotency_key: str | None = None,
    ) -> TestSent:
        """Send a test event."""
        answer = self._call(
            "POST",
            f"/v1/webhook-endpoints/{part(endpoint_id)}/test",
            headers={"Idempotency-Key": idempotency_key or new_key()},
        )
        return cast("TestSent", answer.json())

    def list_webhook_deliveries(
        self,
        endpoint_id: str,
        *,
        state: Literal["pending", "delivered", "failed"] | None = None,
        event_type: TenantEventType | None = None,
        limit: int | None = None,
        cursor: str | None = None,
        created_from: str | None = None,
        created_to: str | None = None,
    ) -> Page_DeliverySummary_:
        """What was sent to an endpoint."""
        answer = self._call(
            "GET",
            f"/v1/webhook-endpoints/{part(endpoint_id)}/deliveries",
            query={"state": state, "event_type": event_type, "limit": limit, "cursor": cursor, "created_from": created_from, "created_to": created_to},
        )
        return cast("Page_DeliverySummary_", answer.json())

    def iter_webhook_deliveries(
        self,
        endpoint_id: str,
        *,
        state: Literal["pending", "delivered", "failed"] | None = None,
        event_type: TenantEventType | None = None,
        limit: int | None = None,
        created_from: str | None = None,
        created_to: str | None = None,
    ) -> Iterator[DeliverySummary]:
        """What was sent to an endpoint: all of them, page by page."""
        yield from self._pages(
            f"/v1/webhook-endpoints/{part(endpoint_id)}/deliveries",
            {"state": state, "event_type": event_type, "limit": limit, "created_from": created_from, "created_to": created_to},
        )

    def get_webhook_delivery(self, endpoint_id: str, event_id: str) -> Delivery:
        """One delivery and its attempts."""
        answer = self._call(
            "GET",
            f"/v1/webhook-endpoints/{part(endpoint_id)}/deliveries/{part(event_id)}",
        )
        return cast("Delivery", answer.json())

    def replay_webhook_delivery(self, endpoint_id: str, event_id: str) -> Delivery:
        """Send one event again."""
        answer = self._call(
            "POST",
            f"/v1/webhook-endpoints/{part(endpoint_id)}/deliveries/{part(event_id)}/replay",
        )
        return cast("Delivery", answer.json())

    def replay_webhook_deliveries(
        self,
        endpoint_id: str,
        body: Replay,
        *,
        idempotency_key: str | None = None,
    ) -> Replayed:
        """Send the events of some time again."""
        answer = self._call(
            "POST",
            f"/v1/webhook-endpoints/{part(endpoint_id)}/replay",
            json=body,
            headers={"Idempotency-Key": idempotency_key or new_key()},
        )
        return cast("Replayed", answer.json())

    def list_audit_entries(
        self,
        *,
        actor: str | None = None,
        operation: str | None = None,
        target_kind: str | None = None,
        target_id: str | None = None,
        limit: int | None = None,
        cursor: str | None = None,
        created_from: str | None = None,
        created_to: str | None = None,
    ) -> Page_AuditEntry_:
        """Who changed what."""
        answer = self._call(
            "GET",
            "/v1/audit",
            query={"actor": actor, "operation": operation, "target_kind": target_kind, "target_id": target_id, "limit": limit, "cursor": cursor, "created_from": created_from, "created_to": created_to},
        )
        return cast("Page_AuditEntry_", answer.json())

    def iter_audit_entries(
        self,
        *,
        actor: str | None = None,
        operation: str | None = None,
        target_kind: str | None = None,
        target_id: str | None = None,
        limit: int | None = None,
        created_from: str | None = None,
        created_to: str | None = None,
    ) -> Iterator[AuditEntry]:
        """Who changed what: all of them, page by page."""
        yield from self._pages(
            "/v1/audit",
            {"actor": actor, "operation": operation, "target_kind": target_kind, "target_id": target_id, "limit": limit, "created_from": created_from, "created_to": created_to},
        )

    def export_audit_chain(self, *, after_sequence: int | None = None) -> bytes:
        """The chain as a file."""
        answer = self._call("GET", "/v1/audit/chain", query={"after_sequence": after_sequence})
        return answer.content

    def list_jobs(
        self,
        *,
        kind: JobKind | None = None,
        state: JobStatus | None = None,
        limit: int | None = None,
        cursor: str | None = None,
        created_from: str | None = None,
        created_to: str | None = None,
    ) -> Page_Job_:
        """Your long work."""
        answer = self._call(
            "GET",
            "/v1/jobs",
            query={"kind": kind, "state": state, "limit": limit, "cursor": cursor, "created_from": created_from, "created_to": created_to},
        )
        return cast("Page_Job_", answer.json())

    def iter_jobs(
        self,
        *,
        kind: JobKind | None = None,
        state: JobStatus | None = None,
        limit: int | None = None,
        created_from: str | None = None,
        created_to: str | None = None,
    ) -> Iterator[Job]:
        """Your long work: all of them, page by page."""
        yield from self._pages(
            "/v1/jobs",
            {"kind": kind, "state": state, "limit": limit, "created_from": created_from, "created_to": created_to},
        )

    def get_job(self, job_id: str) -> Job:
        """One job."""
        answer = self._call("GET", f"/v1/jobs/{part(job_id)}")
        return cast("Job", answer.json())

    def list_deprecated_uses(
        self,
        *,
        from_: str | None = None,
        to: str | None = None,
    ) -> UsedOperations:
        """How often you use what ends."""
        answer = self._call("GET", "/v1/deprecations", query={"from": from_, "to": to})
        return cast("UsedOperations", answer.json())
