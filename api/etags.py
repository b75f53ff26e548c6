"""ETag, If-Match and If-None-Match: nobody overwrites what they haven't seen.

A tag is a keyed digest of what is answered, in two halves where a thing has members that move by
themselves (`Answer.moving`: when a key was last used): the first half is of what callers change.
`If-None-Match` asks about both halves, `If-Match` about the first one only, for nobody's change is
lost because a clock went on. The tag is compared in the transaction of the change, with the row
held; a read before it would let two changes pass at once.
"""

import hmac
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, TypeVar

from starlette.requests import Request

from api.dto import Answer
from api.further_headers import add_header
from api.problems import Problem
from core.domain.ids import TenantId
from core.secrets import subkey

_DIGEST_BYTES: Final = 12
_TAG: Final = re.compile(r'(?:W/)?"[\x21\x23-\x7e]*"', re.ASCII)
_LIST: Final = re.compile(rf"\s*{_TAG.pattern}\s*(?:,\s*{_TAG.pattern}\s*)*", re.ASCII)
LONGEST: Final = 2_000
#: The same, and `*`, as the OpenAPI document says it.
PATTERN: Final = r'^(\*|(W/)?"[!#-~]*"([ \t]*,[ \t]*(W/)?"[!#-~]*")*)$'
_ANYTHING: Final = "*"
_READS: Final = frozenset({"GET", "HEAD"})
#: What reads a thing with its tag, by what changes it: the only list of both.
READ_BY_CHANGE: Final[Mapping[str, str]] = MappingProxyType(
    {
        "change_tenant": "get_tenant",
        "change_user": "get_user",
        "remove_user": "get_user",
        "change_api_key": "get_api_key",
        "revoke_api_key": "get_api_key",
        "change_attribute": "get_attribute",
        "delete_attribute": "get_attribute",
        "change_segment": "get_segment",
        "delete_segment": "get_segment",
        "change_campaign": "get_campaign",
        "change_campaign_series": "get_campaign_series",
        "delete_campaign_series": "get_campaign_series",
        "change_webhook_endpoint": "get_webhook_endpoint",
        "delete_webhook_endpoint": "get_webhook_endpoint",
        "edit_template": "get_template",
        "delete_template": "get_template",
        "put_quiet_hours": "list_quiet_hours",
        "delete_quiet_hours": "list_quiet_hours",
        "put_consent_keywords": "list_consent_keywords",
        "put_opt_out_answer": "get_opt_out_answer",
    }
)
Thing = TypeVar("Thing", bound=Answer)


class NotModified(Exception):
    """What the client has is what it would get: 304."""


def tag_of(thing: Answer, tenant_id: TenantId) -> str:
    """The tag of a thing as it is now, without the quotes."""
    values = thing.model_dump(mode="json")
    moving = {name: values.pop(name) for name in sorted(thing.moving)}
    settled = _digest(tenant_id, type(thing).__name__, values)
    return f"{settled}.{_digest(tenant_id, 'moving', moving)}" if moving else settled


def _digest(tenant_id: TenantId, kind: str, values: Mapping[str, object]) -> str:
    """Keyed: a plain digest of a name or an address could be guessed by whoever sees a header.

    Of one tenant: with another's tag nobody may learn that theirs holds the same.
    """
    text = f"{tenant_id}\n{kind}\n{json.dumps(values, sort_keys=True)}"
    return hmac.digest(subkey("etag"), text.encode(), "sha256")[:_DIGEST_BYTES].hex()


@dataclass(frozen=True, slots=True, kw_only=True)
class Conditions:
    """What a request wants to be true of the thing it reads or changes."""

    request: Request
    tenant_id: TenantId

    def check(self, current: Answer) -> None:
        """Raise Problem 412 unless `current`, read with its row held, is what was seen."""
        seen = _tags(self.request, "if-match")
        if seen is None or _ANYTHING in seen:
            return
        ours = _settled(tag_of(current, self.tenant_id))
        # A weak tag never matches here (RFC 9110, 13.1.1).
        if all(_settled(tag[1:-1]) != ours for tag in seen if tag.startswith('"')):
            raise Problem("precondition-failed", "it has changed since you read it")

    def answer(self, thing: Thing) -> Thing:
        """Put the tag of `thing` into the answer. Raises NotModified where a read needs no body."""
        known = _tags(self.request, "if-none-match") if self.request.method in _READS else None
        tag = tag_of(thing, self.tenant_id)
        add_header(self.request.scope, b"etag", f'"{tag}"'.encode())
        if known and {each.removeprefix("W/") for each in known} & {_ANYTHING, f'"{tag}"'}:
            raise NotModified
        return thing


def _settled(tag: str) -> str:
    return tag.partition(".")[0]


def _tags(request: Request, name: str) -> tuple[str, ...] | None:
    """The tags that a header lists. Raises Problem 400 for anything else."""
    given = request.headers.getlist(name)
    if not given:
        return None
    text = ", ".join(given)
    if text.strip() == _ANYTHING:
        return (_ANYTHING,)
    if len(text) > LONGEST or _LIST.fullmatch(text) is None:
        raise Problem("malformed-request", f"{name} must be * or a list of entity tags in quotes")
    return tuple(_TAG.findall(text))
