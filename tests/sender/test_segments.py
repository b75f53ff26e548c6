"""Segments: SQL means whom a plain reading of the filter means, and no input becomes its text."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import psycopg
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from psycopg import sql
from psycopg.types.json import Jsonb

from core.domain.attributes import Attribute, AttributeType, by_name
from core.domain.ids import TenantId, new_id
from core.domain.segments import (
    MAX_DEPTH,
    MAX_LENGTH,
    BadFilter,
    Both,
    Compared,
    ConsentIs,
    Contains,
    Either,
    Event,
    FieldOneOf,
    Filter,
    Not,
    OneOf,
    OnList,
    Order,
    Present,
    Suppressed,
    Within,
    parse_filter,
)
from core.store.database import Pool
from core.store.segments import compile_filter
from tests.sender.world import World

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
LISTS = [new_id(), new_id()]
DECLARED = by_name(
    [
        Attribute(name="points", type=AttributeType.NUMBER),
        Attribute(name="born", type=AttributeType.DATE),
        Attribute(name="vip", type=AttributeType.BOOLEAN),
        Attribute(name="tier", type=AttributeType.ENUM, options=("Gold", "Silver")),
    ]
)
NASTY = ["'; drop table app.contacts; --", '" or true', "%(x)s", "%s", "%%", "\\", "{0}", "$1"]
TEXTS = ["Mooca", "Tatui", "", *NASTY]
NUMBERS = ["0", "-5", "12.5", "100", "not a number"]
DATES = ["1990-05-17", "2000-01-01", "2026-11-23", "yesterday"]


@dataclass(frozen=True, kw_only=True)
class Somebody:
    contact_id: UUID = field(default_factory=new_id)
    address: str
    attributes: dict[str, str]
    language: str | None
    country: str | None
    lists: frozenset[int]
    consents: dict[str, bool]
    created_days: int
    message_days: int | None
    inbound_days: int | None
    suppressed: bool
    erased: bool


def optional(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.none() | strategy


#: Around the days that filters ask for: the edge counts.
DAYS = st.sampled_from([0, 1, 2, 7, 8, 30, 31])
people = st.lists(
    st.builds(
        Somebody,
        contact_id=st.builds(new_id),
        address=st.sampled_from(["+5511", "+1212", "+351", "BR.1"]),
        attributes=st.fixed_dictionaries(
            {},
            optional={
                "store": st.sampled_from(TEXTS),
                "points": st.sampled_from(NUMBERS),
                "born": st.sampled_from(DATES),
                "vip": st.sampled_from(["true", "false"]),
                "tier": st.sampled_from(["Gold", "Silver"]),
            },
        ),
        language=optional(st.sampled_from(["pt_BR", "en"])),
        country=optional(st.sampled_from(["BR", "US"])),
        lists=st.frozensets(st.integers(0, 1)),
        consents=st.dictionaries(st.sampled_from(["marketing", "utility"]), st.booleans()),
        created_days=DAYS,
        message_days=optional(DAYS),
        inbound_days=optional(DAYS),
        suppressed=st.booleans(),
        erased=st.booleans(),
    ),
    max_size=12,
)
texts = st.sampled_from(TEXTS) | st.text(
    st.characters(codec="utf-8", exclude_characters="\x00"), max_size=5
)
tests = st.one_of(
    st.builds(Present, attribute=st.sampled_from(["store", "points", "nobody_has_it"])),
    st.builds(OneOf, attribute=st.just("store"), values=st.lists(texts, min_size=1).map(tuple)),
    st.builds(OneOf, attribute=st.just("vip"), values=st.just(("true",))),
    st.builds(OneOf, attribute=st.just("tier"), values=st.just(("Gold",))),
    st.builds(OneOf, attribute=st.just("born"), values=st.just(("2000-01-01",))),
    st.builds(Contains, attribute=st.just("store"), value=texts),
    st.builds(
        Compared,
        attribute=st.just("points"),
        type=st.just(AttributeType.NUMBER),
        order=st.sampled_from(Order),
        value=st.sampled_from(NUMBERS[:4]),
    ),
    st.builds(
        Compared,
        attribute=st.just("born"),
        type=st.just(AttributeType.DATE),
        order=st.sampled_from([Order.LESS, Order.AT_MOST, Order.MORE, Order.AT_LEAST]),
        value=st.sampled_from(DATES[:3]),
    ),
    st.builds(FieldOneOf, field=st.just("language"), values=st.just(("pt_BR",))),
    st.builds(FieldOneOf, field=st.just("country"), values=st.just(("BR", "PT"))),
    st.builds(FieldOneOf, field=st.just("market"), values=st.sampled_from([("Brazil",), ("X",)])),
    st.builds(OnList, list_id=st.sampled_from([*LISTS, new_id()])),
    st.builds(
        ConsentIs,
        purpose=st.sampled_from(["marketing", "utility", "service"]),
        granted=st.sampled_from([True, False, None]),
    ),
    st.builds(Within, event=st.sampled_from(Event), days=st.sampled_from([1, 7, 30])),
    st.builds(Suppressed),
)
filters: st.SearchStrategy[Filter] = st.recursive(
    tests,
    lambda inner: st.one_of(
        st.builds(Not, part=inner),
        st.builds(Both, parts=st.lists(inner, min_size=2, max_size=3).map(tuple)),
        st.builds(Either, parts=st.lists(inner, min_size=2, max_size=3).map(tuple)),
    ),
    max_leaves=8,
)


def means(found: Filter, who: Somebody) -> bool:  # noqa: C901, PLR0912 - one case a test
    """The reading that SQL must agree with."""
    match found:
        case Both(parts=parts):
            return all(means(part, who) for part in parts)
        case Either(parts=parts):
            return any(means(part, who) for part in parts)
        case Not(part=part):
            return not means(part, who)
        case Present(attribute=name):
            return name in who.attributes
        case OneOf(attribute=name, values=values):
            return who.attributes.get(name) in values
        case Contains(attribute=name, value=value):
            return name in who.attributes and value in who.attributes[name]
        case Compared():
            return compares(found, who.attributes)
        case FieldOneOf(field="market", values=values):
            return "Brazil" in values and who.address.startswith("+55")
        case FieldOneOf(field=name, values=values):
            return getattr(who, name) in values
        case OnList(list_id=list_id):
            return any(LISTS[place] == list_id for place in who.lists)
        case ConsentIs(purpose=purpose, granted=granted):
            return who.consents.get(purpose) is granted
        case Within(event=event, days=days):
            name = event.value.removeprefix("last_") + "_days"
            ago = getattr(who, name)
            return ago is not None and ago <= days
        case Suppressed():
            return who.suppressed
    raise AssertionError(found)


def compares(test: Compared, attributes: Mapping[str, str]) -> bool:
    kept = attributes.get(test.attribute)
    if kept in {None, "not a number", "yesterday"}:
        return False
    one: Any = kept
    two: Any = test.value
    if test.type is AttributeType.NUMBER:
        one, two = Decimal(one), Decimal(two)
    return bool(
        {
            Order.EQUAL: one == two,
            Order.LESS: one < two,
            Order.AT_MOST: one <= two,
            Order.MORE: one > two,
            Order.AT_LEAST: one >= two,
        }[test.order]
    )


def fill(connection: psycopg.Connection[Any], world: World, everybody: list[Somebody]) -> None:
    """Write people down, in a transaction that is rolled back after their test."""
    tenant = world.tenant_id
    for list_id in LISTS:
        connection.execute(
            "insert into app.lists (tenant_id, list_id, name) values (%s, %s, %s)",
            (tenant, list_id, str(list_id)),
        )
    for who in everybody:
        write(connection, world, who)


def write(connection: psycopg.Connection[Any], world: World, who: Somebody) -> None:
    place = (world.tenant_id, who.contact_id)

    def ago(days: int) -> datetime:
        return NOW - timedelta(days=days)

    connection.execute(
        "insert into app.contacts (tenant_id, contact_id, address, attributes, language, country,"
        " pseudonym, created_at, erased_at) values (%s, %s, %s, %s, %s, %s, %s, %s, %s)",
        (
            *place,
            who.address,
            Jsonb(who.attributes),
            who.language,
            who.country,
            new_id(),
            ago(who.created_days),
            NOW if who.erased else None,
        ),
    )
    for at in who.lists:
        connection.execute(
            "insert into app.list_members (tenant_id, list_id, contact_id) values (%s, %s, %s)",
            (world.tenant_id, LISTS[at], who.contact_id),
        )
    for purpose, granted in who.consents.items():
        connection.execute(
            "insert into app.consent_states values (%s, %s, %s, %s, %s, now())",
            (*place, purpose, granted, new_id()),
        )
    if who.message_days is not None:
        sent_at = ago(who.message_days)
        connection.execute(
            "insert into app.messages (tenant_id, contact_id, message_id, contact_pseudonym,"
            " phone_number_id, waba_id, address, kind, category, content, state, accepted_at)"
            " values (%s, %s, %s, %s, %s, %s, '+1', 'text', 'service', '{}', 'accepted', %s)",
            (*place, new_id(sent_at), new_id(), world.phone_number_id, world.waba_id, sent_at),
        )
    if who.inbound_days is not None:
        connection.execute(
            "insert into app.service_windows (tenant_id, contact_id, phone_number_id, opened_at,"
            " expires_at) values (%s, %s, %s, %s, now())",
            (*place, world.phone_number_id, ago(who.inbound_days)),
        )
    if who.suppressed:
        connection.execute(
            "insert into app.suppressions (tenant_id, contact_id, reason) values (%s, %s, 'x')",
            place,
        )


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(everybody=people, found=filters)
def test_sql_means_whom_the_filter_means(
    world: World, everybody: list[Somebody], found: Filter
) -> None:
    meant = compile_filter(found, TenantId(world.tenant_id), NOW)
    with psycopg.connect(world.settings.database_url) as connection:
        connection.execute(
            "insert into billing.market_map values ('55', 'BR', 'Brazil', '[2020-01-01,)', '')"
        )
        fill(connection, world, everybody)
        rows = connection.execute(
            meant.under("select contact_id from people"), meant.parameters
        ).fetchall()
        connection.rollback()
    assert sorted(row[0] for row in rows) == sorted(
        who.contact_id for who in everybody if not who.erased and means(found, who)
    )


@given(found=filters, text=st.sampled_from(NASTY) | st.text(min_size=6))
def test_no_input_is_a_part_of_the_statement(found: Filter, text: str) -> None:
    same = compile_filter(with_text(found, text), TenantId(UUID(int=1)), NOW)
    other = compile_filter(with_text(found, "another"), TenantId(UUID(int=2)), NOW)
    assert statement(same.query) == statement(other.query)
    assert set(same.parameters) == set(other.parameters)


def with_text(found: Filter, text: str) -> Filter:  # noqa: C901 - one case a test
    """The same tree with a text of somebody's wherever one may stand."""
    match found:
        case Both(parts=parts):
            return Both(parts=tuple(with_text(part, text) for part in parts))
        case Either(parts=parts):
            return Either(parts=tuple(with_text(part, text) for part in parts))
        case Not(part=part):
            return Not(part=with_text(part, text))
        case Present():
            return Present(attribute=text)
        case OneOf():
            return OneOf(attribute=text, values=(text,))
        case Contains():
            return Contains(attribute=text, value=text)
        case Compared(type=kind, order=order):
            return Compared(attribute=text, type=kind, order=order, value=text)
        case FieldOneOf(field=name):
            return FieldOneOf(field=name, values=(text,))
        case _:
            return found


def statement(query: sql.Composable) -> str:
    return query.as_string(None)


def written(found: Filter) -> str:  # noqa: C901 - one case a test
    """A tree in the language: what a parse of it must give again."""
    match found:
        case Both(parts=parts):
            return "(" + " and ".join(written(part) for part in parts) + ")"
        case Either(parts=parts):
            return "(" + " or ".join(written(part) for part in parts) + ")"
        case Not(part=part):
            return f"not {written(part)}"
        case Present(attribute=name):
            return f"attribute.{name} is present"
        case OneOf(attribute=name, values=values):
            return f"attribute.{name} in ({', '.join(quoted(value) for value in values)})"
        case Contains(attribute=name, value=value):
            return f"attribute.{name} contains {quoted(value)}"
        case Compared(attribute=name, order=order, value=value):
            return f"attribute.{name} {order.value} {quoted(value)}"
        case FieldOneOf(field=name, values=values):
            return f"{name} in ({','.join(quoted(value) for value in values)})"
        case OnList(list_id=list_id):
            return f"list {quoted(str(list_id))}"
        case ConsentIs(purpose=purpose, granted=granted):
            word = {True: "granted", False: "revoked", None: "unknown"}[granted]
            return f"consent.{purpose} is {word}"
        case Within(event=event, days=days):
            return f"{event.value} within {days} days"
        case Suppressed():
            return "suppressed"


def quoted(value: str) -> str:
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'


@given(found=filters)
def test_a_filter_is_read_as_it_was_written(found: Filter) -> None:
    assume(depth(found) < MAX_DEPTH and len(written(found)) <= MAX_LENGTH)
    assert parse_filter(written(found), DECLARED) == found


def depth(found: Filter) -> int:
    match found:
        case Both(parts=parts) | Either(parts=parts):
            return 1 + max(depth(part) for part in parts)
        case Not(part=part):
            return 1 + depth(part)
        case _:
            return 1


@given(text=st.text(max_size=60) | st.lists(
    st.sampled_from(["and", "or", "not", "(", ")", "attribute.store", "=", '"x"', "in", ",",
                     "is", "missing", "list", "within", "7", "days", "last_message", "suppressed"]),
    max_size=12,
).map(" ".join))  # fmt: skip
def test_whatever_is_no_filter_is_refused_where_it_goes_wrong(text: str) -> None:
    place = 0
    try:
        parse_filter(text, DECLARED)
    except BadFilter as error:
        place = error.at
    assert 0 <= place <= len(text)


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("", "too early"),
        ("not " * 11 + "suppressed", "nested"),
        ("(" * 11 + "suppressed" + ")" * 11, "nested"),
        (" or ".join(["suppressed"] * 51), "at most 50"),
        ('attribute.a = "' + "x" * 4_000 + '"', "characters"),
        ("attribute.a in (" + ", ".join(['"x"'] * 101) + ")", "at most 100"),
        ("attribute.points = many", "double quotes"),
        ('attribute.points = "many"', "digits"),
        ('attribute.store < "x"', "compared"),
        ('attribute.points contains "1"', "contains"),
        ('country = "Brazil"', "country"),
        ('list "news"', "id"),
        ("last_message within 0 days", "days are"),
        ("last_message within 366 days", "days are"),
        ("consent.everything is granted", "nothing of this name"),
        ("suppressed suppressed", "expected"),
        ('attribute.a = "open', "can't be read"),
    ],
)
def test_what_a_filter_may_not_be_is_said(text: str, what: str) -> None:
    with pytest.raises(BadFilter, match=what):
        parse_filter(text, DECLARED)


def test_and_binds_closer_than_or_and_not_closest() -> None:
    one, two = Suppressed(), Present(attribute="a")
    text = "suppressed or attribute.a is present and not suppressed"
    assert parse_filter(text, {}) == Either(parts=(one, Both(parts=(two, Not(part=one)))))


async def test_a_plan_freezes_whom_the_segment_means_then(world: World, pool: Pool) -> None:
    rich, poor = (
        world.add_contacts(1, first=n, attributes={"points": points})[0]
        for n, points in enumerate(["100", "5"])
    )
    segment_id, list_id = new_id(), new_id()
    world.execute(
        "insert into app.contact_attributes (tenant_id, attribute_id, name, type, personal,"
        " created_by) values (%s, %s, 'points', 'number', false, 'x')",
        world.tenant_id,
        new_id(),
    )
    world.execute(
        "insert into app.segments (tenant_id, segment_id, name, filter, created_by)"
        " values (%s, %s, 's', 'attribute.points >= 50', 'x')",
        world.tenant_id,
        segment_id,
    )
    world.execute(
        "insert into app.lists (tenant_id, list_id, name, segment_id) values (%s, %s, 'c', %s)",
        world.tenant_id,
        list_id,
        segment_id,
    )
    campaign_id = world.add_campaign(status="planning", list_id=list_id)
    from sender.planner.planner import plan_next

    def audience() -> list[UUID]:
        rows = world.execute("select contact_id from app.list_members where list_id = %s", list_id)
        return [row[0] for row in rows]

    assert await plan_next(pool) == 1
    assert world.one("select status from app.campaigns") == "planned"
    assert audience() == [rich]
    world.execute('update app.contacts set attributes = \'{"points": "60"}\'')
    assert audience() == [rich]
    assert world.one("select count(*) from app.messages where campaign_id = %s", campaign_id) == 1
    world.execute("update app.campaigns set status = 'planning'")
    await plan_next(pool)
    assert sorted(audience()) == sorted([rich, poor])
