"""The error atlas: what each of Meta's error codes means for us, in one table.

Decide by code, never by HTTP status: the same code is seen with 400, 403 and 429.
In the API's answer to a send, `message_stays_queued` says whether the message waits or has failed.
In a `failed` webhook the message has failed, whatever the action; the action then only says what
else must happen (suppress, pause, halt, block, open the breaker). Nothing here is ever billable:
Meta charges on delivery.
Source: Meta, Cloud API error codes, as read on 2026-09-11; codes that page lacks (17, 104, 613,
803, 131014, 131030, 131062, 147001-147005) come from Meta's OpenAPI file and other pages.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Final


class ErrorScope(StrEnum):
    """What an error is about: everything in that scope meets it again."""

    MESSAGE = "message"
    RECIPIENT = "recipient"
    TEMPLATE = "template"
    NUMBER = "number"
    ACCOUNT = "account"


class ErrorAction(StrEnum):
    """What we do about it."""

    FAIL = "fail"
    DELAY = "delay"
    SUPPRESS = "suppress"
    PAUSE = "pause"
    HALT_TEMPLATE = "halt_template"
    BLOCK = "block"
    BREAKER = "breaker"
    IN_DOUBT = "in_doubt"


class RetryClass(StrEnum):
    """Whether the same message may be sent again.

    safe: refused before processing. unsafe: Meta may have processed it, a repeat may double it.
    pause: after its cause was removed. never: not as it is.
    """

    SAFE = "safe"
    UNSAFE = "unsafe"
    PAUSE = "pause"
    NEVER = "never"


STOPS: Final = frozenset(
    {ErrorAction.PAUSE, ErrorAction.HALT_TEMPLATE, ErrorAction.BLOCK, ErrorAction.BREAKER}
)
"""What a person must know of: messages besides this one are no longer sent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderError:
    """One rule of the atlas.

    `wait_seconds`: how long the scope rests before the next try; for a suppression or a block, how
    long it holds (None: until it is lifted). `category`: a suppression or a block is of this
    category only; a block without one is of the recipient's country. `writes_opt_out`: the person
    withdrew; the consent ledger must say so. `needs_phone`: the person cannot be reached by
    business-scoped id. `code` is None when Meta refused without a code.
    """

    code: int | None
    name: str
    scope: ErrorScope
    action: ErrorAction
    retry: RetryClass
    advice: str
    billable: bool = False
    wait_seconds: int | None = None
    category: str | None = None
    writes_opt_out: bool = False
    needs_phone: bool = False
    known: bool = True

    @property
    def message_stays_queued(self) -> bool:
        """After this answer to a send, the message waits for better times instead of failing."""
        if self.action in {ErrorAction.HALT_TEMPLATE, ErrorAction.BLOCK}:
            return self.retry is RetryClass.PAUSE
        return self.action in {ErrorAction.DELAY, ErrorAction.PAUSE, ErrorAction.BREAKER}

    @property
    def alerts(self) -> bool:
        """Whether a person must be told: nothing heals by itself."""
        return self.action in STOPS or not self.known


_MESSAGE, _RECIPIENT, _TEMPLATE = ErrorScope.MESSAGE, ErrorScope.RECIPIENT, ErrorScope.TEMPLATE
_NUMBER, _ACCOUNT = ErrorScope.NUMBER, ErrorScope.ACCOUNT
_FAIL, _DELAY, _SUPPRESS = ErrorAction.FAIL, ErrorAction.DELAY, ErrorAction.SUPPRESS
_PAUSE, _HALT, _BLOCK = ErrorAction.PAUSE, ErrorAction.HALT_TEMPLATE, ErrorAction.BLOCK
_BREAKER, _IN_DOUBT = ErrorAction.BREAKER, ErrorAction.IN_DOUBT
_SAFE, _UNSAFE = RetryClass.SAFE, RetryClass.UNSAFE
_LATER, _NEVER = RetryClass.PAUSE, RetryClass.NEVER

_Row = tuple[int, str, ErrorScope, ErrorAction, RetryClass, str]

_GENERAL: Final[tuple[_Row, ...]] = (
    (0, "auth_exception", _ACCOUNT, _BREAKER, _NEVER, "Store a new access token."),
    (1, "unknown_api_error", _MESSAGE, _IN_DOUBT, _UNSAFE, "Wait for a status, then inspect."),
    (2, "service_down", _MESSAGE, _IN_DOUBT, _UNSAFE, "Meta is down or overloaded; wait."),
    (3, "capability_missing", _ACCOUNT, _BREAKER, _NEVER, "Grant the app its permissions."),
    (4, "app_call_limit", _ACCOUNT, _DELAY, _SAFE, "The app's call limit; slow down all calls."),
    (10, "permission_denied", _ACCOUNT, _BREAKER, _NEVER, "Grant the permission again."),
    (17, "user_call_limit", _ACCOUNT, _DELAY, _SAFE, "The user's call limit; slow down."),
    (33, "number_deleted", _NUMBER, _PAUSE, _NEVER, "The number is gone or its id is wrong."),
    (100, "invalid_parameter", _MESSAGE, _FAIL, _NEVER, "Correct the request."),
    (104, "token_missing", _ACCOUNT, _BREAKER, _NEVER, "No token was sent; store one."),
    (190, "token_expired", _ACCOUNT, _BREAKER, _NEVER, "Store a new access token."),
    (368, "account_restricted", _ACCOUNT, _BREAKER, _NEVER, "Meta restricted it; appeal there."),
    (613, "custom_rate_limit", _ACCOUNT, _DELAY, _SAFE, "A Graph rate limit; slow down."),
    (803, "object_not_found", _NUMBER, _PAUSE, _NEVER, "Check the number's id and the access."),
    (80007, "waba_call_limit", _ACCOUNT, _DELAY, _SAFE, "The account's call limit; slow down."),
)
_SENDING: Final[tuple[_Row, ...]] = (
    (130403, "user_blocked", _RECIPIENT, _SUPPRESS, _NEVER, "Unblock this person first."),
    (130429, "throughput_reached", _NUMBER, _DELAY, _SAFE, "Send more slowly from this number."),
    (130472, "held_out", _RECIPIENT, _FAIL, _NEVER, "Part of Meta's experiment; not billed."),
    (130497, "country_restricted", _ACCOUNT, _BLOCK, _NEVER, "Leave this country out."),
    (131000, "something_went_wrong", _MESSAGE, _IN_DOUBT, _UNSAFE, "Wait for a status."),
    (131005, "access_denied", _ACCOUNT, _BREAKER, _NEVER, "Grant the permissions again."),
    (131008, "parameter_missing", _MESSAGE, _FAIL, _NEVER, "Add the required parameter."),
    (131009, "parameter_invalid", _MESSAGE, _FAIL, _NEVER, "Correct the parameter."),
    (131014, "media_link_failed", _MESSAGE, _FAIL, _NEVER, "Make the media link reachable."),
    (131016, "service_unavailable", _MESSAGE, _IN_DOUBT, _UNSAFE, "Meta is unavailable; wait."),
    (131021, "sender_is_recipient", _RECIPIENT, _FAIL, _NEVER, "Leave the own number out."),
    (131026, "undeliverable", _RECIPIENT, _SUPPRESS, _NEVER, "No WhatsApp there, or too old."),
    (131030, "not_in_allow_list", _RECIPIENT, _FAIL, _NEVER, "Test numbers need an allow list."),
    (131031, "account_locked", _NUMBER, _PAUSE, _NEVER, "Unlock it at Meta, or mend the PIN."),
    (131037, "name_not_approved", _NUMBER, _PAUSE, _NEVER, "Get the display name approved."),
    (131042, "payment_problem", _ACCOUNT, _BREAKER, _LATER, "Mend the payment method at Meta."),
    (131045, "registration_error", _NUMBER, _PAUSE, _NEVER, "Register the number again."),
    (131047, "window_closed", _MESSAGE, _FAIL, _NEVER, "Send a template instead."),
    (131048, "spam_limit", _NUMBER, _PAUSE, _LATER, "Quality fell; mend it, don't retry."),
    (131049, "ecosystem_limit", _RECIPIENT, _SUPPRESS, _NEVER, "No marketing for a day."),
    (131050, "marketing_stopped", _RECIPIENT, _SUPPRESS, _NEVER, "The person opted out."),
    (131051, "type_unsupported", _MESSAGE, _FAIL, _NEVER, "Send another type of message."),
    (131052, "media_download_failed", _MESSAGE, _FAIL, _NEVER, "Ask for the file again."),
    (131053, "media_upload_failed", _MESSAGE, _FAIL, _NEVER, "Correct the file and its type."),
    (131055, "marketing_endpoint_only", _MESSAGE, _FAIL, _NEVER, "Wrong endpoint for it."),
    (131056, "pair_rate", _RECIPIENT, _DELAY, _SAFE, "Too many to one person; wait."),
    (131057, "number_in_maintenance", _NUMBER, _DELAY, _UNSAFE, "Wait about a minute."),
    (131062, "bsuid_not_allowed", _RECIPIENT, _SUPPRESS, _NEVER, "Ask for the phone number."),
    (131063, "marketing_disabled", _ACCOUNT, _BLOCK, _NEVER, "Use the marketing endpoint."),
    (131064, "misclassification_cap", _ACCOUNT, _BLOCK, _LATER, "Wait out the enforcement."),
    (135000, "generic_parameter_error", _MESSAGE, _FAIL, _NEVER, "Inspect the request."),
)
_TEMPLATES: Final[tuple[_Row, ...]] = (
    (132000, "parameter_count", _MESSAGE, _FAIL, _NEVER, "Map as many values as it takes."),
    (132001, "template_missing", _TEMPLATE, _HALT, _NEVER, "Not there in that language."),
    (132005, "text_too_long", _MESSAGE, _FAIL, _NEVER, "Shorten the values."),
    (132007, "content_policy", _TEMPLATE, _HALT, _NEVER, "Its text breaks Meta's policy."),
    (132012, "parameter_format", _MESSAGE, _FAIL, _NEVER, "Correct the value's format."),
    (132015, "template_paused", _TEMPLATE, _HALT, _LATER, "Wait until Meta unpauses it."),
    (132016, "template_disabled", _TEMPLATE, _HALT, _NEVER, "Write a new template."),
    (132018, "template_invalid", _MESSAGE, _FAIL, _NEVER, "Correct the components."),
    (132068, "flow_blocked", _TEMPLATE, _HALT, _NEVER, "Mend the flow."),
    (132069, "flow_throttled", _TEMPLATE, _HALT, _NEVER, "Mend the flow; 10 an hour pass."),
    (134011, "payment_terms", _ACCOUNT, _FAIL, _NEVER, "Accept the payments terms at Meta."),
    (134100, "not_marketing", _TEMPLATE, _FAIL, _NEVER, "That endpoint takes marketing only."),
    (134101, "template_syncing", _TEMPLATE, _IN_DOUBT, _UNSAFE, "Wait ten minutes."),
    (134102, "template_unavailable", _TEMPLATE, _HALT, _NEVER, "Not usable on that endpoint."),
    (2388019, "template_limit", _ACCOUNT, _FAIL, _NEVER, "Delete templates not in use."),
    (2388039, "template_locked", _TEMPLATE, _FAIL, _NEVER, "Its status forbids the change."),
    (2388040, "template_too_long", _TEMPLATE, _FAIL, _NEVER, "Shorten the template."),
    (2388047, "header_format", _TEMPLATE, _FAIL, _NEVER, "Correct the header."),
    (2388072, "body_format", _TEMPLATE, _FAIL, _NEVER, "Correct the body."),
    (2388073, "footer_format", _TEMPLATE, _FAIL, _NEVER, "Correct the footer."),
    (2388293, "too_many_variables", _TEMPLATE, _FAIL, _NEVER, "Fewer variables or more text."),
    (2388299, "variable_at_edge", _TEMPLATE, _FAIL, _NEVER, "Put text around the variables."),
)
_ONBOARDING: Final[tuple[_Row, ...]] = (
    (133000, "deregistration_left", _NUMBER, _FAIL, _NEVER, "Deregister, then register."),
    (133004, "server_unavailable", _NUMBER, _IN_DOUBT, _UNSAFE, "Meta is unavailable; wait."),
    (133005, "pin_mismatch", _NUMBER, _FAIL, _NEVER, "The two-step PIN is wrong."),
    (133006, "not_verified", _NUMBER, _FAIL, _NEVER, "Verify the number first."),
    (133008, "pin_guesses", _NUMBER, _FAIL, _NEVER, "Too many PINs tried; wait."),
    (133009, "pin_too_fast", _NUMBER, _FAIL, _NEVER, "PINs tried too fast; wait."),
    (133010, "not_registered", _NUMBER, _PAUSE, _NEVER, "Register the number."),
    (133015, "recently_deleted", _NUMBER, _DELAY, _UNSAFE, "Deleted just now; wait 5 minutes."),
    (133016, "register_attempts", _NUMBER, _FAIL, _NEVER, "Too many tries; wait 72 hours."),
    (2494100, "number_maintenance", _NUMBER, _DELAY, _UNSAFE, "Wait some minutes."),
)
_PERMISSION_CODES: Final = range(200, 300)
_MAX_CODE: Final = 2**31 - 1
_USERNAME_CODES: Final = range(147001, 147006)

_WAIT_SECONDS: Final[Mapping[int, int]] = MappingProxyType(
    {
        4: 60,
        17: 60,
        613: 60,
        80007: 60,
        130429: 1,
        # Not on WhatsApp, or too old an app. People install it, so not for ever.
        131026: 30 * 86_400,
        # Meta: a retry within 24 h can lock the person for up to 24 h more.
        131049: 86_400,
        131056: 6,
        131057: 60,
        # At least; a notice of the account names the true end.
        131064: 7 * 86_400,
        133015: 300,
        134101: 600,
        2494100: 120,
    }
)


_CATEGORIES: Final[Mapping[int, str]] = MappingProxyType(
    {
        131049: "marketing",
        131062: "authentication",
        131063: "marketing",
        131064: "utility",
    }
)


def _rule(row: _Row) -> ProviderError:
    code, name, scope, action, retry, advice = row
    return ProviderError(
        code=code,
        name=name,
        scope=scope,
        action=action,
        retry=retry,
        advice=advice,
        wait_seconds=_WAIT_SECONDS.get(code),
        category=_CATEGORIES.get(code),
        writes_opt_out=code == 131050,
        needs_phone=code == 131062,
    )


def _rules() -> dict[int, ProviderError]:
    permission, username = "Grant the missing permission.", "Correct the username."
    rows = (
        *_GENERAL,
        *_SENDING,
        *_TEMPLATES,
        *_ONBOARDING,
        *(
            (c, "permission_missing", _ACCOUNT, _BREAKER, _NEVER, permission)
            for c in _PERMISSION_CODES
        ),
        *((c, "username_error", _NUMBER, _FAIL, _NEVER, username) for c in _USERNAME_CODES),
    )
    return {row[0]: _rule(row) for row in rows}


ATLAS: Final[Mapping[int, ProviderError]] = MappingProxyType(_rules())
"""Every known code and its rule."""


def classify(code: int | str | None, http_status: int | None = None) -> ProviderError:
    """The rule for a code; numbers may come as text ("132015").

    An unknown code fails and alerts: repeating what nobody understands risks a second message.
    A refusal without any code can only go by its status: 429 waits, 5xx is in doubt (the call may
    have been processed), anything else fails and alerts.
    """
    number = parse_code(code)
    if number is not None:
        return ATLAS.get(number) or _unknown(number)
    if http_status == 429:
        return _UNNUMBERED_THROTTLE
    return _UNNUMBERED_FAULT if http_status is not None and http_status >= 500 else _unknown(None)


def parse_code(code: int | str | None) -> int | None:
    """A code as a number, or None for what isn't one; Meta prints both 131026 and "131026".

    Numbers that a four-byte integer cannot hold are none: Meta has no such code.
    """
    if isinstance(code, bool) or code is None:
        return None
    if isinstance(code, str):
        text = code.strip()
        code = int(text) if text.isascii() and text.isdigit() and len(text) <= 10 else _MAX_CODE + 1
    return code if -_MAX_CODE <= code <= _MAX_CODE else None


def wait_before_retry(
    error: ProviderError, *, tries: int, retry_after_seconds: int | None = None
) -> int | None:
    """Seconds before the next try of a delayed message, None when this error isn't one of delay.

    `tries` counts refusals so far (1 at the first). Meta asks for 4^X seconds, X = 0, 1, 2 ..., for
    131056 and documents no Retry-After; where a server sends one, it is a lower bound.
    """
    if error.action is not ErrorAction.DELAY:
        return None
    if error.code == 131056:
        wait = int(4 ** min(max(tries, 1) - 1, 6))
    else:
        wait = (error.wait_seconds or 1) * int(2 ** min(max(tries, 1) - 1, 5))
    return max(wait, retry_after_seconds or 0)


def _unknown(code: int | None) -> ProviderError:
    return ProviderError(
        code=code,
        name="unknown",
        scope=_MESSAGE,
        action=_FAIL,
        retry=_NEVER,
        advice="Not in the atlas: look it up and add a rule.",
        known=False,
    )


_UNNUMBERED_THROTTLE: Final = ProviderError(
    code=None,
    name="throttled",
    scope=_NUMBER,
    action=_DELAY,
    retry=_SAFE,
    advice="HTTP 429 without a code; send more slowly.",
    wait_seconds=1,
)
_UNNUMBERED_FAULT: Final = ProviderError(
    code=None,
    name="server_fault",
    scope=_MESSAGE,
    action=_IN_DOUBT,
    retry=_UNSAFE,
    advice="HTTP 5xx without a code; wait for a status.",
)
