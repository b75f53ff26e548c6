"""Questions that one tenant asks with another's ids, each beside the same with ids of nobody.

They are made from the OpenAPI document and a seed: every operation and every place where an id, a
cursor, a key or a tag can stand.
"""

import copy
import random
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from api.openapi import operations
from core.domain.ids import new_id

_JSON = "application/json"
_UUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)")
#: Made anew for every answer: keys, their beginnings, secrets of endpoints, digests.
_SECRET = re.compile(
    r"ctr_[a-z]+_[\w.-]+|whsec_[\w+/=]+|(?<=\"prefix\":\")\w+|[0-9a-f]{64}|sha256:[0-9a-f]+"
)
#: How a UUID may be written; each is tried for the other's id and for nobody's.
_SPELLINGS: tuple[Callable[[str], str], ...] = (
    str,
    str,
    str,
    str.upper,
    lambda text: text.replace("-", ""),
    lambda text: f"urn:uuid:{text}",
    lambda text: f"{{{text}}}",
    lambda text: f"{text}%20",
    lambda text: f"%00{text}",
    lambda text: f"..%2f{text}",
)
_HEADERS = {"If-Match", "If-None-Match", "Idempotency-Key"}
#: Differ from answer to answer, whoever asks for what.
_PASSING_HEADERS = {"date", "x-request-id", "ratelimit", "content-length", "etag"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Things:
    """What a tenant has: ids by the names of the API, and what it got to read and repeat with."""

    ids: Mapping[str, str]
    cursors: Mapping[str, str]
    tags: Mapping[str, str]
    keys: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """One request, without its credential."""

    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Any = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """The same question with the other tenant's thing and with nobody's."""

    operation: str
    place: str
    theirs: Question
    nobodys: Question
    #: Once more with nobody's, to be asked before both: what can be made only once is made then.
    rehearsal: Question
    #: What was put in, in this order; answers may repeat it.
    their_value: str
    nobodys_value: str


def make_probes(
    document: dict[str, Any], theirs: Things, own: Things, *, count: int, seed: int
) -> Iterator[Probe]:
    """`count` probes of every operation and place in turn."""
    chance = random.Random(seed)
    # Each once only: after its first use here a key is this tenant's own.
    makers = list(_makers(document, theirs, own, iter(theirs.keys)))
    for number in range(count):
        # In turn, so that a short run meets all of them; then mostly where an id belongs.
        if number < len(makers) or chance.random() < 0.2:
            yield makers[number % len(makers)].make(chance)
        else:
            yield chance.choice([each for each in makers if each.is_at_home]).make(chance)


def _makers(
    document: dict[str, Any], theirs: Things, own: Things, keys: Iterator[str]
) -> Iterator["_Maker"]:
    for method, path, operation in operations(document):
        # Who signs in, or is invited, shows no credential of a tenant.
        if not path.startswith("/v1/") or not operation["security"]:
            continue
        for place in _places(path, operation):
            yield _Maker(
                method=method.upper(),
                path=path,
                operation=operation,
                place=place,
                theirs=theirs,
                own=own,
                keys=keys,
            )


def _places(path: str, operation: dict[str, Any]) -> Iterator[str]:
    """Where something of the other tenant can stand in an operation."""
    yield from (f"path:{name}" for name in re.findall(r"\{(\w+)\}", path))
    for parameter in operation.get("parameters", []):
        name, where = parameter["name"], parameter["in"]
        if (where == "query" and (name.endswith("_id") or name == "cursor")) or name in _HEADERS:
            yield f"{where}:{name}"
    example = _example(operation)
    yield from (f"body:{name}" for name in sorted(set(_ids_in(example))))
    yield from ("query:tenant_id", "header:X-Tenant-Id")
    if isinstance(example, dict):
        yield "body:tenant_id"


def _example(operation: dict[str, Any]) -> Any:
    content = operation.get("requestBody", {}).get("content", {})
    return content.get(_JSON, {}).get("example")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Maker:
    method: str
    path: str
    operation: dict[str, Any]
    place: str
    theirs: Things
    own: Things
    keys: Iterator[str]

    @property
    def is_at_home(self) -> bool:
        """Whether the place is one for ids, and not one where they are smuggled in."""
        return not self.place.endswith(("tenant_id", "X-Tenant-Id"))

    def make(self, chance: random.Random) -> Probe:
        """One probe of this place."""
        kind, _, name = self.place.partition(":")
        their_value, nobodys_value = self._values(kind, name, chance)
        return Probe(
            operation=self.operation["operationId"],
            place=self.place,
            theirs=self._question(kind, name, their_value),
            nobodys=self._question(kind, name, nobodys_value),
            rehearsal=self._question(kind, name, _scrambled(nobodys_value, chance)),
            their_value=their_value,
            nobodys_value=nobodys_value,
        )

    def _values(self, kind: str, name: str, chance: random.Random) -> tuple[str, str]:
        nobody = str(UUID(int=chance.getrandbits(128), version=4))
        if name == "cursor":
            cursors = list(self.theirs.cursors.values())
            right = self.theirs.cursors.get(self.path, chance.choice(cursors))
            cursor = chance.choice([right, right, *cursors])
            return cursor, _scrambled(cursor, chance)
        if name == "Idempotency-Key":
            return next(self.keys), nobody
        if name in {"If-Match", "If-None-Match"}:
            tag = chance.choice(list(self.theirs.tags.values()))
            return tag, _scrambled(tag, chance)
        if name in {"phone_number_id", "waba_id"}:
            return self.theirs.ids[name], str(chance.randrange(10**14, 10**15))
        known = self.theirs.ids.get(name)
        # Mostly the thing that is meant, sometimes one of another kind.
        if known is None or chance.random() < 0.2:
            known = chance.choice([each for each in self.theirs.ids.values() if "-" in each])
        spell = chance.choice(_SPELLINGS) if kind == "path" else str
        return spell(known), spell(nobody)

    def _question(self, kind: str, name: str, value: str) -> Question:
        ids = dict(self.own.ids)
        if kind == "path":
            ids[name] = value
        body = copy.deepcopy(_example(self.operation))
        if body is not None:
            _fill(body, {**ids, name: value} if kind == "body" else ids)
            if kind == "body" and name == "tenant_id":
                body["tenant_id"] = value
        headers = {name: value} if kind == "header" else {}
        if self._needs_key() and "Idempotency-Key" not in headers:
            headers["Idempotency-Key"] = f"probe-{new_id()}"
        return Question(
            method=self.method,
            path=re.sub(r"\{(\w+)\}", lambda found: ids.get(found[1], "unknown"), self.path),
            query={name: value} if kind == "query" else {},
            headers=headers,
            body=body,
        )

    def _needs_key(self) -> bool:
        return any(
            each["name"] == "Idempotency-Key" and each.get("required")
            for each in self.operation.get("parameters", [])
        )


def _ids_in(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for name, inner in value.items():
            if name.endswith("_id") and isinstance(inner, str):
                yield name
            yield from _ids_in(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _ids_in(inner)


def _fill(value: Any, ids: Mapping[str, str]) -> None:
    """Put ids in the places of an example's own."""
    if isinstance(value, dict):
        for name, inner in value.items():
            if name in ids and isinstance(inner, str):
                value[name] = ids[name]
            else:
                _fill(inner, ids)
    elif isinstance(value, list):
        for inner in value:
            _fill(inner, ids)


def _scrambled(text: str, chance: random.Random) -> str:
    """Another text of the same shape: only its letters and digits are others."""
    return "".join(
        chance.choice("abcdef0123456789") if letter.isalnum() else letter for letter in text
    )


def plain(text: str, *values: str) -> str:
    """An answer's text without what was put in, new ids and instants."""
    for value in sorted(values, key=len, reverse=True):
        text = text.replace(value, "<probe>")
    return _SECRET.sub("<secret>", _INSTANT.sub("<instant>", _UUID.sub("<id>", text)))


def plain_headers(headers: Mapping[str, str], *values: str) -> dict[str, str]:
    """An answer's headers without what passes."""
    return {
        name.lower(): plain(value, *values)
        for name, value in headers.items()
        if name.lower() not in _PASSING_HEADERS
    }
