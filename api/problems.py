"""The catalogue of everything that can go wrong for a client: code, status, title, advice.

The codes are part of the API's contract: they never change meaning. `/problems/<code>` serves an
entry, so the `type` of an error can be opened.
"""

from dataclasses import dataclass
from types import MappingProxyType
from typing import Final


@dataclass(frozen=True, slots=True, kw_only=True)
class ProblemKind:
    """One kind of error; `advice` says what the reader can do about it."""

    code: str
    status: int
    title: str
    advice: str


def _kind(code: str, status: int, title: str, advice: str) -> ProblemKind:
    return ProblemKind(code=code, status=status, title=title, advice=advice)


_KINDS: Final = (
    _kind(
        "malformed-request",
        400,
        "The request can't be read",
        "Send JSON in UTF-8 with Content-Type application/json, nested at most 32 levels deep; the"
        " detail says more.",
    ),
    _kind(
        "bad-idempotency-key",
        400,
        "The Idempotency-Key is missing or malformed",
        "Send 1 to 255 printable ASCII characters, new for each new request: a UUID is good.",
    ),
    _kind(
        "unauthenticated",
        401,
        "No valid credential",
        "Send `Authorization: Bearer <API key or access token>`; sign in again if it has expired.",
    ),
    _kind(
        "bad-signature",
        401,
        "The webhook's signature is missing or wrong",
        "Sign the raw body with the app secret: X-Hub-Signature-256: sha256=<hex>.",
    ),
    _kind(
        "not-allowed",
        403,
        "The credential may not do this",
        "Use a key with the scope that the detail names, or ask an owner for the role.",
    ),
    _kind(
        "tenant-suspended",
        403,
        "The tenant is suspended",
        "Contact the operator; nothing is read, changed or sent until the tenant is active again.",
    ),
    _kind(
        "not-found",
        404,
        "There is no such thing",
        "Check the id and the tenant of your key. Things of other tenants look like this too.",
    ),
    _kind(
        "method-not-allowed",
        405,
        "The address doesn't take this method",
        "See the Allow header and the documentation at /docs.",
    ),
    _kind(
        "not-acceptable",
        406,
        "The answer can't be given in that form",
        "Accept application/json, or what the documentation of the address names.",
    ),
    _kind(
        "body-too-slow",
        408,
        "The body didn't come in time",
        "Send it without pauses: JSON within a minute, files at 16 KiB a second or faster.",
    ),
    _kind(
        "conflict",
        409,
        "The present state forbids it",
        "Read the thing again: the detail names its state.",
    ),
    _kind(
        "campaign-state",
        409,
        "The campaign's state forbids it",
        "Read the campaign again; `status_now` in this answer is what it is now.",
    ),
    _kind(
        "plan-changed",
        409,
        "The plan isn't the one you read",
        "Read the campaign again and approve the `plan_hash` it shows now.",
    ),
    _kind(
        "redrive-count",
        409,
        "The filter means another number of messages by now",
        "Repeat the dry run, look at its counts, and give its `matching` as `expected_messages`.",
    ),
    _kind(
        "four-eyes",
        403,
        "Somebody else must approve it",
        "Your organisation has plans approved by another person than the one who asked for them.",
    ),
    _kind(
        "last-owner",
        409,
        "A tenant always has an owner",
        "Make somebody else an owner first.",
    ),
    _kind(
        "somebody-has-it",
        409,
        "The address belongs to somebody here",
        "Look in GET /v1/users; who left before and comes back is invited anew.",
    ),
    _kind(
        "template-changed",
        409,
        "The template isn't the one that was planned",
        "Plan the campaign again, or accept the template's new version; the detail says which.",
    ),
    _kind(
        "template-state",
        409,
        "The template's state forbids it",
        "Read the template again; `status_now` in this answer is what it is now.",
    ),
    _kind(
        "template-exists",
        409,
        "The account has a template of this name and language",
        "Edit that one, or take another name; POST /v1/templates/sync shows what Meta has.",
    ),
    _kind(
        "template-in-use",
        409,
        "Campaigns still want the template",
        "Cancel or finish the campaigns and end the series that use it first.",
    ),
    _kind(
        "request-in-flight",
        409,
        "The same Idempotency-Key is being worked on",
        "Wait a second and send the same request again.",
    ),
    _kind(
        "consent-missing",
        409,
        "The person hasn't agreed to such messages",
        "Record the consent with its basis (POST /v1/consents), then send.",
    ),
    _kind(
        "opted-out",
        409,
        "The person has withdrawn consent",
        "Nothing is sent. Only a new consent of the person, with evidence, changes that.",
    ),
    _kind(
        "suppressed",
        409,
        "The person can't be written to now",
        "The detail says why; some suppressions end by themselves.",
    ),
    _kind(
        "us-marketing",
        409,
        "Meta refuses marketing templates to US numbers",
        "Use a utility template; see Meta's per-user marketing limits (in force since 2025-04-01).",
    ),
    _kind(
        "export-not-ready",
        409,
        "The export has no file yet",
        "Poll the export until its status is `ready`.",
    ),
    _kind(
        "gone",
        410,
        "It is no longer kept",
        "Ask for a new one.",
    ),
    _kind(
        "operation-gone",
        410,
        "The operation has ended",
        "Use what `Link: rel=successor-version` names; GET /deprecations says what ended and when.",
    ),
    _kind(
        "operation-brown-out",
        410,
        "The operation ends soon, and rehearses it",
        "Move to what `Link: rel=successor-version` names. Until then it works again after"
        " Retry-After.",
    ),
    _kind(
        "precondition-failed",
        412,
        "It isn't what you read any more",
        "Read it again, look at what changed, and send the change with the new ETag in If-Match.",
    ),
    _kind(
        "body-too-large",
        413,
        "The body is larger than this address takes",
        "Split it; the detail names the limit in bytes.",
    ),
    _kind(
        "unsupported-media-type",
        415,
        "The body has a form this address doesn't take",
        "Send the documented Content-Type, uncompressed.",
    ),
    _kind(
        "invalid-input",
        422,
        "The request can be read but not accepted",
        "`errors` lists each field by JSON pointer, with a code and what is wrong.",
    ),
    _kind(
        "invalid-phone",
        422,
        "The phone number can't be called",
        "Write it in E.164 with + and the calling code.",
    ),
    _kind(
        "forbidden-destination",
        422,
        "We send no webhook to such an address",
        "Use https:// with a public host and a usual port; see docs/webhooks-out.md.",
    ),
    _kind(
        "wrong-encoding",
        422,
        "The file isn't UTF-8 text",
        "Save it as CSV UTF-8; spreadsheets offer that when saving.",
    ),
    _kind(
        "bad-workbook",
        422,
        "The file isn't a workbook that can be taken",
        "Save it as XLSX without a password, or as CSV UTF-8.",
    ),
    _kind(
        "too-many-rows",
        422,
        "The file has too many rows",
        "Cut it: every piece with the header row.",
    ),
    _kind(
        "bad-csv-header",
        422,
        "The file's first row doesn't name its columns",
        "Begin with a header row that has a column `phone`; see docs/api.md.",
    ),
    _kind(
        "idempotency-key-reused",
        422,
        "The Idempotency-Key belongs to another request",
        "Use a new key for a new request; the same key only repeats the very same request.",
    ),
    _kind(
        "bad-cursor",
        422,
        "The cursor isn't one of this list",
        "Use `next_cursor` of the previous page with the same filters, or start without one.",
    ),
    _kind(
        "missing-parameter",
        422,
        "The template needs a parameter that isn't there",
        "Give every parameter of the template; GET /v1/templates/{id} lists them.",
    ),
    _kind(
        "template-not-sendable",
        422,
        "The template can't be sent now",
        "Only APPROVED templates without a halt are sent; sync templates or use another.",
    ),
    _kind(
        "template-refused",
        422,
        "Meta refuses the template",
        "The detail is Meta's reason and `meta_code` its code; change the template and try again.",
    ),
    _kind(
        "bad-invitation",
        422,
        "The invitation isn't valid",
        "It was used, withdrawn or renewed, or is older than 7 days: ask for a new one.",
    ),
    _kind(
        "weak-password",
        422,
        "The password is too easy to guess",
        "Take 12 characters or more that are not a common password and not your name or address.",
    ),
    _kind(
        "too-many-logins",
        429,
        "Too many failed attempts to sign in",
        "Wait for the seconds of Retry-After. Who is signed in stays so.",
    ),
    _kind(
        "rate-limited",
        429,
        "Too many requests in a short time",
        "Wait for the seconds of Retry-After; the RateLimit headers say what is left.",
    ),
    _kind(
        "quota-exceeded",
        429,
        "A limit is used up for now",
        "Wait for the seconds of Retry-After.",
    ),
    _kind(
        "internal-error",
        500,
        "An error of ours",
        "Try again; if it stays, give the operator the `request_id`.",
    ),
    _kind(
        "meta-error",
        502,
        "Meta refused the call",
        "The detail names Meta's code; check the account's token and permissions.",
    ),
    _kind(
        "meta-unreachable",
        502,
        "Meta doesn't answer",
        "Try again in a minute.",
    ),
    _kind(
        "unavailable",
        503,
        "A part we depend on doesn't answer",
        "Wait for the seconds of Retry-After and send the same request again.",
    ),
    _kind(
        "read-only",
        503,
        "Nothing can be changed at the moment",
        "Reads work. Send the same change again after the seconds of Retry-After.",
    ),
    _kind(
        "warehouse-not-ready",
        503,
        "Usage hasn't been computed yet",
        "Usage appears after the first run of the data path; it runs daily.",
    ),
)

CATALOGUE: Final = MappingProxyType({kind.code: kind for kind in _KINDS})
INTERNAL_ERROR: Final = CATALOGUE["internal-error"]


class Problem(Exception):
    """An error of the API itself, by its code; `extra` are further members of the answer."""

    def __init__(
        self,
        code: str,
        detail: str,
        *,
        pointer: str | None = None,
        headers: dict[str, str] | None = None,
        extra: dict[str, str | int | None] | None = None,
    ) -> None:
        super().__init__(detail)
        self.kind = CATALOGUE[code]
        self.detail = detail
        self.pointer = pointer
        self.headers = headers or {}
        self.extra = extra or {}
