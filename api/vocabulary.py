"""What every value of every enumeration means; the OpenAPI document shows it beside the values.

A group is found by its values, so an enumeration of a new schema that has just the values of a
group (or some of them, where only one group has them all) is explained already.
"""

from collections.abc import Mapping, Sequence
from typing import Final

from api.problems import CATALOGUE
from core.domain.tenant_events import EVERYTHING, TenantEventType

Meanings = Mapping[str, str]

_MESSAGE_STATES: Final = {
    "excluded": "left out when it was planned; `exclusion_reason` says why",
    "queued": "waits to be sent",
    "sending": "on its way to Meta",
    "in_doubt": "Meta's answer never came; it is being settled by evidence",
    "held": "Meta holds it until the template's quality is known",
    "accepted": "Meta took it",
    "sent": "it left Meta",
    "delivered": "it reached the phone",
    "read": "it was read",
    "failed": "it failed; `error_code` is Meta's",
    "cancelled": "taken back before it was sent",
    "expired": "its time was over before it was sent",
}
_CAMPAIGN_STATUSES: Final = {
    "draft": "nothing happens yet; it can be changed",
    "planning": "its audience is being decided",
    "planned": "the plan can be read and approved",
    "plan_failed": "it can't be planned; `status_reason` says why",
    "approved": "may be launched, or starts at its time",
    "running": "its messages are sent",
    "paused": "nothing of it is started until it is resumed",
    "cancelled": "ended for ever",
}
_SHOWN_STATES: Final = _CAMPAIGN_STATUSES | {
    "scheduled": "approved, and starts by itself at its time",
    "finished": "no message of it is open any more",
    "finished_with_failures": "no message is open any more, and some failed",
}
_CATEGORIES: Final = {
    "marketing": "offers and news; needs consent",
    "utility": "about something the person ordered or asked for",
    "authentication": "one-time codes",
}
_PURPOSES: Final = _CATEGORIES | {"service": "answers to what the person wrote"}
SCOPES: Final = {
    "account:own": "read and end one's own sessions, change one's own password",
    "tenant:read": "read the tenant and its settings",
    "tenant:manage": "change the rules of the tenant",
    "users:read": "read the people of the tenant",
    "users:manage": "invite, change and remove people",
    "api-keys:manage": "make, list, rotate and revoke API keys",
    "numbers:read": "read numbers and portfolios",
    "numbers:sync": "take numbers over from Meta",
    "contacts:read": "read people, lists and imports",
    "contacts:write": "save people and lists, and import them",
    "consents:read": "read the consent ledger",
    "consents:write": "add to the consent ledger, set its keywords",
    "templates:read": "read templates",
    "templates:sync": "take templates over from Meta",
    "templates:write": "write, submit and delete templates",
    "campaigns:read": "read campaigns, series, plans and media",
    "campaigns:write": "make, plan, launch, pause and cancel campaigns",
    "campaigns:approve": "approve plans",
    "messages:read": "read messages, their story and the inbox",
    "messages:send": "send single messages",
    "usage:read": "read usage",
    "invoices:read": "read invoices",
    "exports:read": "read and download exports",
    "exports:write": "ask for exports",
    "webhooks:read": "read endpoints and deliveries",
    "webhooks:manage": "make, change, test and replay endpoints",
    "audit:read": "read who changed what",
}
EVENTS: Final[Mapping[TenantEventType, str]] = {
    TenantEventType.MESSAGE_ACCEPTED: "Meta took the message",
    TenantEventType.MESSAGE_HELD: "Meta holds it until the template's quality is known",
    TenantEventType.MESSAGE_SENT: "it left Meta",
    TenantEventType.MESSAGE_DELIVERED: "it reached the phone",
    TenantEventType.MESSAGE_READ: "it was read",
    TenantEventType.MESSAGE_FAILED: "it failed; `error_code` is Meta's, `reason` ours",
    TenantEventType.MESSAGE_IN_DOUBT: "Meta's answer never came; it is being settled",
    TenantEventType.MESSAGE_CANCELLED: "it was taken back before it was sent",
    TenantEventType.MESSAGE_EXPIRED: "its time was over before it was sent",
    TenantEventType.MESSAGE_REDRIVEN: "it failed or expired, and is tried again on your request",
    TenantEventType.MESSAGE_INBOUND: "a person wrote to you",
    TenantEventType.CAMPAIGN_PLANNING: "a plan was asked for",
    TenantEventType.CAMPAIGN_PLANNED: "the plan is there",
    TenantEventType.CAMPAIGN_PLAN_FAILED: "it can't be planned; `reason` says why",
    TenantEventType.CAMPAIGN_APPROVED: "the plan was approved",
    TenantEventType.CAMPAIGN_STARTED: "it sends",
    TenantEventType.CAMPAIGN_PAUSED: "it stopped; `reason` says by whom or why",
    TenantEventType.CAMPAIGN_RESUMED: "it goes on",
    TenantEventType.CAMPAIGN_CANCELLED: "it was ended for ever",
    TenantEventType.CAMPAIGN_FINISHED: "no message of it is open any more",
    TenantEventType.CAMPAIGN_REOPENED: "a finished campaign sends again",
    TenantEventType.TEMPLATE_STATUS_CHANGED: "Meta approved, paused, rejected it, or we halted it",
    TenantEventType.TEMPLATE_QUALITY_CHANGED: "Meta rates it differently",
    TenantEventType.TEMPLATE_CATEGORY_CHANGED: "its category, and so its price, changed",
    TenantEventType.NUMBER_QUALITY_CHANGED: "Meta rates a number differently",
    TenantEventType.NUMBER_THROUGHPUT_CHANGED: "Meta grants it another rate",
    TenantEventType.NUMBER_PAUSED: "nothing is sent from it until `paused_until`, or a resume",
    TenantEventType.NUMBER_RESUMED: "the pause was lifted before its time",
    TenantEventType.ACCOUNT_BLOCKED: "nothing is sent on the account",
    TenantEventType.ACCOUNT_UNBLOCKED: "it may send again",
    TenantEventType.CONSENT_CHANGED: "an entry was added to the consent ledger",
    TenantEventType.IMPORT_FINISHED: "an import of contacts is done",
    TenantEventType.IMPORT_FAILED: "an import stopped",
    TenantEventType.WEBHOOK_TEST: "you asked for it",
}
_GROUPS: Final[tuple[Meanings, ...]] = (
    _MESSAGE_STATES,
    _CAMPAIGN_STATUSES,
    _SHOWN_STATES,
    _CATEGORIES,
    _PURPOSES,
    _PURPOSES | {"*": "every category without a rule of its own"},
    SCOPES,
    {each.value: meaning for each, meaning in EVENTS.items()},
    {kind.code: kind.title for kind in CATALOGUE.values()},
    {
        "everything": "nothing is sent to the person",
        "marketing": "no marketing is sent to the person for a time",
        "authentication": "no authentication goes to the person's business-scoped id",
        "nothing": "its time is over",
    },
    {
        "person_asked": "the person asked to be left alone",
        "complaint": "the person complained",
        "legal": "a law or an authority wants it",
        "wrong_number": "the number is somebody else's",
        "other": "something else",
    },
    {
        "person_asked": "the person asked to be written to again",
        "mistake": "it should never have been",
        "number_works": "the number can be reached again",
        "other": "something else",
    },
    {
        "text": "any text of up to 1,024 characters",
        "number": "1234.5: at most 15 digits and 6 decimals",
        "date": "2026-11-23",
        "boolean": "yes or no; kept as true or false",
        "enum": "one of the declared options",
    },
    {"add": "the person is put on the list", "remove": "the person is taken off it"},
    {"done": "it was carried out", "refused": "nothing was done of it; `problem` says why"},
    {"granted": "the person agreed", "revoked": "the person withdrew"},
    {"word": "what a person writes", "button": "the payload of a button that a person presses"},
    {"opt_out": "withdraws consent", "opt_in": "gives consent"},
    {"previous_open": "the one before still sends", "missed": "its time passed unserved"},
    {
        "DRAFT": "written here; Meta doesn't have it yet",
        "PENDING": "Meta reviews it",
        "APPROVED": "can be sent, unless it is halted",
        "REJECTED": "Meta refused it; `rejected_reason` says why",
        "PAUSED": "Meta paused it for its quality",
        "DISABLED": "Meta disabled it for good",
        "FLAGGED": "Meta looks at its quality",
        "IN_APPEAL": "somebody appealed against Meta's decision",
        "LIMIT_EXCEEDED": "the account has too many",
        "LOCKED": "Meta lets nobody edit it now",
        "ARCHIVED": "Meta put it away, for it was idle",
        "PENDING_DELETION": "Meta is deleting it",
        "DELETED": "gone at Meta; kept here for its messages",
    },
    {
        "TEXT": "a line of text",
        "IMAGE": "a picture",
        "VIDEO": "a film",
        "DOCUMENT": "a file",
        "LOCATION": "a place on a map",
    },
    {
        "QUICK_REPLY": "sends its text back",
        "URL": "opens a link",
        "PHONE_NUMBER": "calls a number",
        "COPY_CODE": "copies a coupon code",
        "OTP": "copies a one-time code",
    },
    {
        "ready": "requests can be served",
        "not_ready": "something is missing",
        "draining": "it was told to end, and takes what comes for some seconds",
    },
    {"started": "it has been ready once", "starting": "it has not been ready so far"},
    {"ok": "it answers", "no_answer": "it doesn't answer within a second"},
    {
        "ok": "it answers",
        "no_answer": "it doesn't answer within a second",
        "not_set": "no address of one is set",
    },
    {
        "ok": "the schema of this release",
        "other_release": "the schema of another release",
        "unknown": "the database didn't say",
    },
    {"failed": "messages that failed", "expired": "messages whose time was over"},
    {"failed": "what was given up", "delivered": "what was taken already, once more"},
    {
        "active": "its campaigns are made in time",
        "paused": "none is made until it is resumed",
        "ended": "the last one has been",
    },
    {
        "pending": "waits for its next attempt",
        "delivered": "your endpoint answered 2xx",
        "failed": "it was given up; it can be replayed",
    },
    {
        "queued": "the file is here and waits for its turn",
        "running": "rows are being taken",
        "finished": "every row has its outcome",
        "failed": "it stopped; `failure` says why",
    },
    {
        "import": "an import of contacts",
        "export": "a file of your data",
        "plan": "the plan of a campaign",
        "redrive": "failed messages of a campaign, once more",
    },
    {
        "queued": "waits for its turn",
        "running": "under way; `progress` says how far",
        "finished": "done",
        "failed": "it stopped before its end",
        "cancelled": "stopped by a person",
    },
    {
        "draft": "not yet due; it may still change",
        "parked": "suspicious: a person looks at it before it is issued",
        "final": "issued; never changed again",
    },
    {
        "queued": "nothing of it is back in the queue yet",
        "running": "some are back in the queue; `redriven` says how many",
        "finished": "all that could go back have",
    },
    {
        "ok": "all goes as it should",
        "degraded": "something waits or is held back; `causes` says what",
        "stopped": "an operator has stopped sending; what you send is accepted and waits",
    },
    {
        "sending_stopped": "an operator has stopped sending for everybody",
        "tenant_stopped": "an operator has stopped sending for you",
        "campaign_stopped": "an operator has stopped one of your campaigns",
        "number_stopped": "an operator has stopped one of your numbers",
        "number_paused": "a number rests after an answer of Meta's; see its health",
        "account_blocked": "nothing is sent on one of your accounts; see the health of its numbers",
        "api_read_only": "changes are refused for a while",
        "webhooks_not_applied": "what Meta tells is kept, and shown later: states are old",
        "webhooks_late": "what Meta tells is more than a minute behind: states are old",
        "broker_unreachable": "what is accepted waits in the database, and goes on by itself",
        "messages_late": "a single message has waited for more than a minute",
        "deliveries_late": "a webhook to one of your endpoints is more than five minutes late",
        "endpoint_disabled": "we switched off one of your endpoints; see its `disabled_reason`",
    },
    {
        "ready": "it sends at Meta's rate",
        "slowed": "it sends more slowly than Meta grants; it recovers by itself",
        "paused": "it rests until `paused_until`; `pause_reason` says why",
        "blocked": "nothing is sent on its account; `blocked_reason` says why",
        "stopped": "an operator has stopped it",
    },
    {
        "number_paused": "nothing was sent from the number",
        "account_blocked": "nothing was sent on its account",
    },
    {"enabled": "it is told what happens", "disabled": "it isn't; `disabled_reason` says why"},
    {
        "active": "it opens what its scopes say",
        "expired": "its time is over",
        "revoked": "somebody ended it",
    },
    {
        "announced": "its end is announced; nothing else has changed",
        "deprecated": "it works, and says in every answer when it ends",
        "brown_out": "it answers 410 for some hours, as it will after its end",
        "gone": "it answers 410",
    },
    {"active": "may sign in", "suspended": "may not, until made active again"},
    {
        "invited": "hasn't taken up the invitation yet",
        "active": "may sign in",
        "suspended": "may not sign in, until made active again",
        "removed": "is gone; the id stays as an author",
    },
    {
        "owner": "everything; a tenant always has one",
        "admin": "everything but what only owners may",
        "marketer": "reads, and writes people, campaigns and messages",
        "approver": "reads, and approves plans",
        "finance": "reads without people; invoices and exports",
        "viewer": "reads without people",
    },
    {"daily": "every day", "weekly": "on days of the week", "monthly": "on a day of the month"},
    {
        "messages": "one row for each message",
        "events": "one row for each fact about a message",
        "usage": "messages by day, market and category",
        "invoices": "the lines of your invoices",
    },
    {EVERYTHING: "every event, later ones too"}
    | {event.value: meaning for event, meaning in EVENTS.items()},
    {
        "parquet": "Apache Parquet",
        "csv": "comma-separated, UTF-8",
        "ndjson": "one JSON object a line",
        "xlsx": "an Excel workbook",
    },
    {
        "queued": "waits for its turn",
        "running": "the file is being written",
        "ready": "the file can be downloaded",
        "failed": "no file was made; `failure` says why",
        "expired": "the file is no longer kept",
    },
)


def meanings(values: Sequence[str]) -> Meanings | None:
    """What each of these values means; None when no group, or more than one, has them."""
    wanted = set(values)
    for group in _GROUPS:
        if set(group) == wanted:
            return {value: group[value] for value in values}
    wider = [group for group in _GROUPS if wanted < set(group)]
    return {value: wider[0][value] for value in values} if len(wider) == 1 else None
