"""The chain itself: what is hashed, and what a look at it finds."""

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.domain.audit import (
    START,
    AuditEntry,
    ChainCheck,
    Flaw,
    Head,
    Link,
    canonical,
    check_export,
    export_head,
    export_line,
    extend,
    from_json,
    hash_entry,
    read_head,
)
from core.domain.ids import TenantId, new_id
from core.errors import InvalidInput

TENANT = TenantId(UUID("019a0000-0000-7000-8000-000000000001"))
AT = datetime(2026, 11, 23, 19, 30, 0, 123456, tzinfo=UTC)
Sealed = list[tuple[AuditEntry, Link]]


def entry(number: int = 0, **changes: object) -> AuditEntry:
    facts: dict[str, object] = {
        "tenant_id": TENANT,
        "entry_id": new_id(AT + timedelta(seconds=number)),
        "at": AT + timedelta(seconds=number),
        "actor": "user:019a0000-0000-7000-8000-000000000002",
        "actor_kind": "user",
        "operation": "launch_campaign",
        "target_kind": "campaign",
        "target_id": str(number),
        "request_id": None,
        "address_digest": b"\x01" * 16,
        "outcome": "done",
        "details": {"fields": ["name"], "count": number},
    }
    return AuditEntry(**(facts | changes))  # type: ignore[arg-type]


def sealed(count: int) -> Sealed:
    entries = [entry(number) for number in range(count)]
    return list(zip(entries, extend(START, entries), strict=True))


def flaws(chain: Sequence[tuple[AuditEntry, Link]], head: Head | None = None) -> list[Flaw]:
    check = ChainCheck()
    found = [flaw for one in chain for flaw in check.read(*one)]
    return [finding.flaw for finding in found + check.finish(head)]


def head_of(chain: Sealed) -> Head:
    return Head(sequence=chain[-1][1].sequence, entry_hash=chain[-1][1].entry_hash)


def test_the_bytes_that_are_hashed_are_those_of_the_page() -> None:
    one = entry(entry_id=UUID("019a0000-0000-7000-8000-00000000000a"), details={"b": "é", "a": 1})
    assert canonical(one, 7) == (
        b'{"actor":"user:019a0000-0000-7000-8000-000000000002","actor_kind":"user",'
        b'"address_digest":"01010101010101010101010101010101","at":"2026-11-23T19:30:00.123456Z",'
        b'"details":{"a":1,"b":"\\u00e9"},"entry_id":"019a0000-0000-7000-8000-00000000000a",'
        b'"operation":"launch_campaign","outcome":"done","request_id":null,"sequence":7,'
        b'"target_id":"0","target_kind":"campaign",'
        b'"tenant_id":"019a0000-0000-7000-8000-000000000001"}'
    )
    previous = bytes(32)
    expected = hashlib.sha256(b"carteiro-audit-1\n" + previous + canonical(one, 7)).digest()
    assert hash_entry(one, 7, previous) == expected


def test_a_chain_that_nobody_touched_is_unbroken() -> None:
    chain = sealed(50)
    assert flaws(chain, head_of(chain)) == []
    assert [link.sequence for _, link in chain] == list(range(1, 51))


details = st.dictionaries(
    st.text(max_size=8),
    st.one_of(st.text(max_size=20), st.integers(), st.booleans(), st.none()),
    max_size=4,
)


@given(details, st.datetimes(timezones=st.just(UTC)), st.text(min_size=1, max_size=20))
def test_a_line_of_an_export_is_the_entry_again(
    found: dict[str, object], at: datetime, target_id: str
) -> None:
    one = entry(details=found, at=at.replace(year=2026), target_id=target_id)
    [link] = extend(START, [one])
    again, linked = from_json(json.loads(export_line(one, link)))
    assert (again, linked) == (one, link)
    assert hash_entry(again, 1, bytes(32)) == link.entry_hash


@given(st.sampled_from(sorted(entry().__dataclass_fields__)), st.integers(0, 9))
def test_a_change_of_any_fact_is_found(name: str, place: int) -> None:
    chain = sealed(10)
    other: dict[str, object] = {
        "tenant_id": TenantId(UUID(int=7)),
        "entry_id": UUID(int=7),
        "at": AT + timedelta(microseconds=1),
        "request_id": UUID(int=7),
        "address_digest": None,
        "details": {},
    }
    old, link = chain[place]
    chain[place] = (replace(old, **{name: other.get(name, "x")}), link)  # type: ignore[arg-type]
    assert Flaw.CHANGED in flaws(chain, head_of(chain))


Damage = Callable[[Sealed], Sealed]


def _swapped(chain: Sealed) -> Sealed:
    (first, one), (second, two) = chain[3], chain[4]
    return [*chain[:3], (second, one), (first, two), *chain[5:]]


def _forged(chain: Sealed) -> Sealed:
    """Put in with a right hash of its own; the one behind it still names the old one."""
    late = entry(99, operation="approve_campaign", at=AT + timedelta(seconds=5))
    link = extend(Head(sequence=4, entry_hash=chain[3][1].entry_hash), [late])[0]
    return [*chain[:4], (late, link), *chain[5:]]


@pytest.mark.parametrize(
    ("damage", "flaw"),
    [
        (lambda chain: [*chain[:4], *chain[5:]], Flaw.MISSING),
        (lambda chain: chain[1:], Flaw.MISSING),
        (_swapped, Flaw.CHANGED),
        (_forged, Flaw.UNLINKED),
        (lambda chain: [*chain[:5], chain[4], *chain[5:]], Flaw.DOUBLED),
        (lambda chain: chain[:-1], Flaw.TRUNCATED),
        (lambda chain: [], Flaw.TRUNCATED),
    ],
)
def test_damage_is_found_and_named(damage: Damage, flaw: Flaw) -> None:
    chain = sealed(10)
    assert flaw in flaws(damage(chain), head_of(chain))


def test_a_chain_that_was_written_anew_differs_from_a_copy_of_its_head() -> None:
    chain = sealed(10)
    entries = [
        one if number else replace(one, actor="user:x") for number, (one, _) in enumerate(chain)
    ]
    anew = list(zip(entries, extend(START, entries), strict=True))
    assert flaws(anew, head_of(anew)) == []
    for copy, flaw in ((head_of(chain), Flaw.HEAD_DIFFERS), (head_of(sealed(12)), Flaw.TRUNCATED)):
        check = ChainCheck(copy=copy)
        found = [finding for one in anew for finding in check.read(*one)]
        assert [one.flaw for one in found + check.finish(head_of(anew))] == [flaw]


def test_an_entry_with_a_date_of_long_ago_is_found() -> None:
    chain = sealed(5)
    late = entry(6, at=AT - timedelta(hours=1))
    link = extend(head_of(chain), [late])[0]
    assert flaws([*chain, (late, link)]) == [Flaw.BACKDATED]


def test_what_retention_has_dropped_is_not_missed() -> None:
    chain = sealed(10)
    check = ChainCheck(Head(sequence=6, entry_hash=chain[5][1].entry_hash))
    found = [finding for one in chain[4:] for finding in check.read(*one)]
    assert found + check.finish(head_of(chain)) == []
    assert check.count == 4


def test_a_file_is_checked_without_the_database() -> None:
    chain = sealed(6)
    ends = export_head(TENANT, START, head_of(chain))
    lines = [ends, *(export_line(*one) for one in chain)]
    assert check_export(lines, copy=head_of(chain)) == (head_of(chain), [])
    assert [one.flaw for one in check_export(lines[:-1])[1]] == [Flaw.TRUNCATED]
    assert [one.flaw for one in check_export([ends, *lines[4:]])[1]] == [Flaw.MISSING]
    later = Head(sequence=3, entry_hash=chain[2][1].entry_hash)
    rest = [export_head(TENANT, later, head_of(chain)), *lines[4:]]
    assert check_export(rest) == (head_of(chain), [])
    changed = [line.replace(b"launch", b"cancel") for line in lines]
    assert {one.flaw for one in check_export(changed)[1]} == {Flaw.CHANGED}
    for nonsense in ([], [b"{}"], [b"[1]"], [ends, b"{}"], [ends, b"no json"]):
        with pytest.raises(InvalidInput):
            check_export(nonsense)


@given(st.integers(0, 10**12), st.binary(min_size=32, max_size=32))
def test_a_head_is_read_as_it_is_written(sequence: int, digest: bytes) -> None:
    head = Head(sequence=sequence, entry_hash=digest)
    assert read_head(str(head)) == head


@pytest.mark.parametrize(
    "text", ["", "1", "1:", "x:" + "0" * 64, "1:" + "0" * 63, "-1:" + "0" * 64]
)
def test_what_is_no_head_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput):
        read_head(text)
