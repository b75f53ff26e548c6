"""The error tree of the whole product.

    CarteiroError                        actor      retryable
    ├── InvalidInput                     tenant     no
    │   └── InvalidPhone (domain.phone)  tenant     no
    ├── Unauthenticated                  tenant     no
    ├── NotAllowed                       tenant     no
    ├── NotFound                         tenant     no
    ├── Conflict                         tenant     no
    ├── QuotaExceeded                    tenant     yes, after retry_after_seconds
    ├── Unavailable                      operator   yes
    │   └── BrokerUnavailable            operator   yes
    ├── ConfigurationError               operator   no
    ├── MetaError                        meta       decided by the error atlas
    ├── MetaUnreachable                  meta       only when no byte left the machine
    ├── RateMissing                      operator   no
    └── InvariantBroken                  developer  no

A class says its `code` (stable, kebab-case, shown to clients), whether the same call may succeed
later, and who must act. It says nothing about HTTP: the API maps classes to statuses.
The text of an error may reach a tenant or a log: it never holds a phone number, a name or a token.
"""

from enum import StrEnum
from typing import ClassVar


class Actor(StrEnum):
    """Who must do something about an error."""

    TENANT = "tenant"
    OPERATOR = "operator"
    META = "meta"
    DEVELOPER = "developer"


class CarteiroError(Exception):
    """Anything the product raises on purpose; `detail` is one sentence safe to show."""

    code: ClassVar[str] = "internal-error"
    retryable: ClassVar[bool] = False
    actor: ClassVar[Actor] = Actor.DEVELOPER

    def __init__(self, detail: str) -> None:
        """`detail` names the fact that is wrong, without personal data."""
        super().__init__(detail)
        self.detail = detail


class InvalidInput(CarteiroError):
    """The caller sent something that can't be accepted; `pointer` is a JSON pointer to it."""

    code = "invalid-input"
    actor = Actor.TENANT

    def __init__(self, detail: str, *, pointer: str | None = None) -> None:
        """`pointer` follows RFC 6901, for example `/recipients/3/phone`."""
        super().__init__(detail)
        self.pointer = pointer


class Unauthenticated(CarteiroError):
    """No valid credential came with the call."""

    code = "unauthenticated"
    actor = Actor.TENANT


class NotAllowed(CarteiroError):
    """The credential is valid but may not do this."""

    code = "not-allowed"
    actor = Actor.TENANT


class NotFound(CarteiroError):
    """The thing doesn't exist, or belongs to another tenant, which must look the same."""

    code = "not-found"
    actor = Actor.TENANT


class Conflict(CarteiroError):
    """The present state forbids the change; reading again shows why."""

    code = "conflict"
    actor = Actor.TENANT


class QuotaExceeded(CarteiroError):
    """A limit of the tenant is used up for now."""

    code = "quota-exceeded"
    retryable = True
    actor = Actor.TENANT

    def __init__(self, detail: str, *, retry_after_seconds: int | None = None) -> None:
        """`retry_after_seconds` is None when waiting alone doesn't help."""
        super().__init__(detail)
        self.retry_after_seconds = retry_after_seconds


class Unavailable(CarteiroError):
    """A part we depend on doesn't answer; the same call may succeed later."""

    code = "unavailable"
    retryable = True
    actor = Actor.OPERATOR


class BrokerUnavailable(Unavailable):
    """The broker refused or did not confirm; the database still holds the truth."""

    code = "broker-unavailable"


class ConfigurationError(CarteiroError):
    """A setting is missing or wrong; the text says which variable to set, and to what."""

    code = "configuration-error"
    actor = Actor.OPERATOR


class MetaError(CarteiroError):
    """Meta answered with an error envelope: the request was read and refused.

    Decide by `meta_code` through `core.domain.provider_errors.classify`, never by `http_status`
    (the same code is seen with 400, 403 and 429). `meta_code` is None when a refusal carried none.
    `details` may quote the recipient: it belongs in the attempt's row, not in a log.
    """

    code = "meta-error"
    actor = Actor.META

    def __init__(
        self,
        *,
        meta_code: int | None,
        http_status: int | None = None,
        subcode: int | None = None,
        title: str | None = None,
        details: str | None = None,
        fbtrace_id: str | None = None,
        retry_after_seconds: int | None = None,
    ) -> None:
        """Keep every field Meta sent that support may ask for."""
        super().__init__(f"Meta refused the call with code {meta_code} (HTTP {http_status})")
        self.meta_code = meta_code
        self.http_status = http_status
        self.subcode = subcode
        self.title = title
        self.details = details
        self.fbtrace_id = fbtrace_id
        self.retry_after_seconds = retry_after_seconds


class MetaUnreachable(CarteiroError):
    """No usable answer came from Meta.

    `before_bytes` True: the connection never stood (refused, DNS, TLS), so nothing was processed
    and the call may be repeated. False: Meta may have processed it; a send becomes `in_doubt`.
    """

    code = "meta-unreachable"
    retryable = False
    actor = Actor.META

    def __init__(self, detail: str, *, before_bytes: bool, http_status: int | None = None) -> None:
        """`detail` names the kind of failure, never the address or the body."""
        super().__init__(detail)
        self.before_bytes = before_bytes
        self.http_status = http_status


class RateMissing(CarteiroError):
    """No rate or market covers this message on this day; the price must not be guessed."""

    code = "rate-missing"
    actor = Actor.OPERATOR


class InvariantBroken(CarteiroError):
    """Something that can't happen has happened; the work stops rather than continue wrong."""

    code = "invariant-broken"
