"""Meta's webhooks: who may speak, and what is heard."""

import json
import time
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.domain.message_state import MessageState
from core.whatsapp.updates import (
    AccountUpdate,
    BadUpdate,
    CallStatusUpdate,
    ErrorUpdate,
    InboundMessage,
    PreferenceUpdate,
    StatusUpdate,
    TemplateChange,
    TemplateUpdate,
    UnknownPreference,
    UnknownStatus,
    UnknownUpdate,
    Update,
)
from core.whatsapp.webhooks import parse_updates, sign, verify_signature

SECRET = b"app-secret"
AT = 1_790_000_000

Json = dict[str, object]


def status(**fields: object) -> Json:
    base: Json = {
        "id": "wamid.HBgL",
        "status": "delivered",
        "timestamp": str(AT),
        "recipient_id": "5511987654321",
        "biz_opaque_callback_data": "c1.abc.def",
        "pricing": {
            "billable": True,
            "pricing_model": "PMP",
            "type": "regular",
            "category": "authentication-international",
        },
    }
    return {**base, **fields}


def messages_value(**lists: object) -> Json:
    return {
        "messaging_product": "whatsapp",
        "metadata": {"display_phone_number": "15550001111", "phone_number_id": "106540352242922"},
        **lists,
    }


def change(value: object, field: str = "messages") -> Json:
    return {"field": field, "value": value}


def body(*changes: object, waba: object = "102290129340398", **entry: object) -> bytes:
    envelope = {
        "object": "whatsapp_business_account",
        "entry": [{"id": waba, "changes": list(changes), **entry}],
    }
    return json.dumps(envelope).encode()


def one(raw: bytes) -> Update:
    updates = parse_updates(raw)
    assert len(updates) == 1
    return updates[0]


def test_a_signature_over_escaped_bytes_is_accepted() -> None:
    raw = b'{"object":"whatsapp_business_account","name":"Jos\\u00e9","u":"https:\\/\\/a"}'
    assert verify_signature(raw, sign(raw, SECRET), [SECRET])
    reencoded = json.dumps(json.loads(raw), ensure_ascii=False).encode()
    assert not verify_signature(reencoded, sign(raw, SECRET), [SECRET])


def test_the_signature_is_the_documented_hmac() -> None:
    # RFC 4231, test case 2.
    assert sign(b"what do ya want for nothing?", b"Jefe") == (
        "sha256=5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
    )


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "sha256=",
        "sha256=abc",
        "sha1=" + "0" * 64,
        "0" * 64,
        "sha256=" + "0" * 64,
        "sha256=" + "é" * 64,
        "sha256=" + "\ud800" * 64,
        b"sha256=" + b"\xe9" * 64,
        "sha256=" + "0" * 65,
        "SHA256=" + "0" * 64,
    ],
)
def test_a_wrong_header_is_refused_without_raising(header: str | bytes | None) -> None:
    assert verify_signature(b"{}", header, [SECRET]) is False


def test_both_secrets_hold_while_they_rotate_and_an_empty_one_never() -> None:
    raw = b"{}"
    old = sign(raw, b"previous")
    assert verify_signature(raw, old, [SECRET, b"previous"])
    assert not verify_signature(raw, old, [SECRET])
    assert not verify_signature(raw, sign(raw, b""), [b"", ""])
    assert verify_signature(raw, old.encode(), ["previous"])


@given(st.binary(max_size=40), st.one_of(st.none(), st.text(max_size=80), st.binary(max_size=80)))
def test_no_header_makes_the_check_raise(raw: bytes, header: str | bytes | None) -> None:
    assert verify_signature(raw, header, [SECRET]) is False


def test_a_status_is_read_in_full() -> None:
    update = one(body(change(messages_value(statuses=[status()]))))
    assert isinstance(update, StatusUpdate)
    assert update.waba_id == "102290129340398"
    assert update.phone_number_id == "106540352242922"
    assert update.wamid == "wamid.HBgL"
    assert update.state is MessageState.DELIVERED
    assert update.occurred_at == datetime.fromtimestamp(AT, UTC)
    assert update.callback_token == "c1.abc.def"
    assert update.recipient_wa_id == "5511987654321"
    assert update.pricing is not None
    assert update.pricing.category == "authentication_international"
    assert (update.pricing.billable, update.pricing.type) == (True, "regular")


@pytest.mark.parametrize(
    ("word", "state"),
    [
        ("sent", MessageState.SENT),
        ("delivered", MessageState.DELIVERED),
        ("read", MessageState.READ),
        ("played", MessageState.READ),
        ("failed", MessageState.FAILED),
    ],
)
def test_each_documented_status_has_its_state(word: str, state: MessageState) -> None:
    update = one(body(change(messages_value(statuses=[status(status=word)]))))
    assert isinstance(update, StatusUpdate)
    assert update.state is state


@pytest.mark.parametrize("word", ["deleted", "warning", "teleported", 7])
def test_an_undocumented_status_is_kept_as_unknown(word: object) -> None:
    update = one(body(change(messages_value(statuses=[status(status=word)]))))
    assert isinstance(update, UnknownStatus)
    assert (update.word, update.wamid) == (str(word), "wamid.HBgL")


@pytest.mark.parametrize("word", [None, "", [], {}])
def test_a_status_without_a_word_is_bad(word: object) -> None:
    assert isinstance(one(body(change(messages_value(statuses=[status(status=word)])))), BadUpdate)


@pytest.mark.parametrize(
    ("errors", "code", "details"),
    [
        ([{"code": 131026, "title": "t", "error_data": {"details": "d"}}], 131026, "d"),
        ([{"code": "132015", "message": "t", "details": "d"}], 132015, "d"),
        ([{"code": 131049, "title": "t", "error_data": "d"}], 131049, "d"),
        ([{"title": "t"}], None, None),
        ([None, "x"], None, None),
        ("broken", None, None),
    ],
)
def test_error_codes_are_read_as_number_or_text(
    errors: object, code: int | None, details: str | None
) -> None:
    update = one(body(change(messages_value(statuses=[status(status="failed", errors=errors)]))))
    assert isinstance(update, StatusUpdate)
    assert update.failure_code == code
    assert (update.errors[0].details if update.errors else None) == details


def test_a_status_without_phone_is_read_by_its_business_scoped_id() -> None:
    fields = status(recipient_user_id="US.13491208655302741918")
    del fields["recipient_id"]
    update = one(body(change(messages_value(statuses=[fields]))))
    assert isinstance(update, StatusUpdate)
    assert (update.recipient_wa_id, update.recipient_user_id) == (None, "US.13491208655302741918")


@pytest.mark.parametrize("at", [str(AT), AT, float(AT)])
def test_a_timestamp_may_be_text_or_number(at: object) -> None:
    update = one(body(change(messages_value(statuses=[status(timestamp=at)]))))
    assert isinstance(update, StatusUpdate)
    assert update.occurred_at == datetime.fromtimestamp(AT, UTC)


@pytest.mark.parametrize(
    "bad",
    [
        None,
        7,
        [],
        {},
        status(id=None),
        status(id=""),
        status(id="wamid.a\x00b"),
        status(id="wamid.\ud800"),
        status(id="x" * 600),
        status(timestamp=None),
        status(timestamp="soon"),
        status(timestamp=str(AT * 1000)),
        status(timestamp=-1),
        status(timestamp="9" * 5000),
        status(timestamp=True),
    ],
)
def test_a_bad_update_hinders_no_neighbour(bad: object) -> None:
    lists = messages_value(statuses=[status(id="wamid.1"), bad, status(id="wamid.2")])
    updates = parse_updates(body(change(lists)))
    assert [type(update) for update in updates][::2] == [StatusUpdate, StatusUpdate]
    assert isinstance(updates[1], (BadUpdate, UnknownUpdate))
    assert [update.position for update in updates] == [0, 1, 2]


def test_everything_in_a_batch_is_walked() -> None:
    first = messages_value(statuses=[status(id="wamid.1"), status(id="wamid.2")])
    second = messages_value(
        messages=[{"id": "wamid.3", "from": "55", "timestamp": AT, "type": "text"}],
        errors=[{"code": 130429, "title": "Rate limit hit"}],
    )
    third = {"event": "APPROVED", "message_template_id": 594425479261596}
    raw = json.loads(body(change(first), change(second), "broken"))
    raw["entry"].append(
        {"id": 7, "time": AT, "changes": [change(third, "message_template_status_update")]}
    )
    raw["entry"].append(None)
    updates = parse_updates(json.dumps(raw).encode())
    assert [type(update) for update in updates] == [
        StatusUpdate,
        StatusUpdate,
        InboundMessage,
        ErrorUpdate,
        BadUpdate,
        TemplateUpdate,
        BadUpdate,
    ]
    assert [update.position for update in updates] == list(range(7))
    error = updates[3]
    assert isinstance(error, ErrorUpdate)
    assert error.error.code == 130429


@pytest.mark.parametrize(
    "raw",
    [b"", b"null", b"[]", b"{", b"\xff\xfe", b"[" * 100_000, b'{"object":"page"}', b'{"a":1e999}'],
)
def test_a_body_that_is_no_envelope_is_one_bad_update(raw: bytes) -> None:
    assert isinstance(one(raw), BadUpdate)


def test_a_lone_surrogate_or_nul_in_a_name_does_not_spoil_the_batch() -> None:
    contacts = [{"profile": {"name": "\ud800\x00\u202e" + "\u0301" * 65_536}}]
    lists = messages_value(contacts=contacts, statuses=[status(), status(id="wamid.2")])
    assert [type(update) for update in parse_updates(body(change(lists)))] == [StatusUpdate] * 2


def test_text_kept_from_outside_fits_into_postgres() -> None:
    error = {"code": 1, "title": "a\x00b\ud800", "error_data": {"details": "x" * 5000}}
    update = one(body(change(messages_value(statuses=[status(status="failed", errors=[error])]))))
    assert isinstance(update, StatusUpdate)
    assert update.errors[0].title == "ab?"
    assert len(update.errors[0].details or "") == 500


def test_names_and_texts_are_not_kept() -> None:
    lists = messages_value(
        contacts=[{"profile": {"name": "Maria Canário"}, "wa_id": "5511987654321"}],
        messages=[
            {
                "id": "wamid.1",
                "from": "5511987654321",
                "timestamp": str(AT),
                "type": "text",
                "text": {"body": "segredo canário"},
            }
        ],
        statuses=[status()],
    )
    kept = repr(parse_updates(body(change(lists))))
    assert "Canário" not in kept
    assert "segredo" not in kept


def test_a_number_or_account_that_is_missing_makes_the_status_bad() -> None:
    nowhere = {"statuses": [status()]}
    assert isinstance(one(body(change(nowhere))), BadUpdate)
    assert isinstance(one(body(change(messages_value(statuses=[status()])), waba=None)), BadUpdate)


def test_call_statuses_are_kept_away_from_messages() -> None:
    value = messages_value(statuses=[status(id="wacid.1", type="call")])
    update = one(body(change(value, "calls")))
    assert isinstance(update, CallStatusUpdate)
    assert (update.call_id, update.word) == ("wacid.1", "delivered")


@pytest.mark.parametrize(
    ("message", "word"),
    [
        ({"type": "text", "text": {"body": " PARE! "}}, "pare"),
        ({"type": "text", "text": {"body": "Please don't stop"}}, None),
        ({"type": "button", "button": {"text": "Sair", "payload": "P"}}, "sair"),
        ({"type": "interactive", "interactive": {"button_reply": {"title": "STOP"}}}, "stop"),
        ({"type": "text", "text": "pare"}, None),
    ],
)
def test_a_whole_message_withdraws_and_a_part_does_not(message: Json, word: str | None) -> None:
    sent: Json = {"id": "wamid.1", "from": "55", "timestamp": AT, **message}
    update = one(body(change(messages_value(messages=[sent]))))
    assert isinstance(update, InboundMessage)
    assert update.stop_word == word


def test_a_preference_is_read_with_phone_or_business_scoped_id() -> None:
    preferences: list[Json] = [
        {"wa_id": "55", "category": "marketing_messages", "value": "stop", "timestamp": AT},
        {"user_id": "BR.1", "category": "marketing_messages", "value": "resume", "timestamp": AT},
        {"category": "marketing_messages", "value": "stop", "timestamp": AT},
        {"wa_id": "55", "category": "marketing_messages", "value": "signup", "timestamp": AT},
    ]
    value = messages_value(user_preferences=preferences)
    updates = parse_updates(body(change(value, "user_preferences")))
    assert [type(update) for update in updates] == [
        PreferenceUpdate,
        PreferenceUpdate,
        BadUpdate,
        UnknownPreference,
    ]
    assert isinstance(updates[0], PreferenceUpdate)
    assert updates[0].stopped
    assert isinstance(updates[1], PreferenceUpdate)
    assert not updates[1].stopped


def test_the_notice_of_a_category_change_does_not_change_the_category_yet() -> None:
    notice = {
        "message_template_id": 1,
        "message_template_language": "pt-BR",
        "new_category": "UTILITY",
        "correct_category": "MARKETING",
        "category_update_timestamp": str(AT),
    }
    update = one(body(change(notice, "template_category_update")))
    assert isinstance(update, TemplateUpdate)
    assert update.change is TemplateChange.CATEGORY
    assert (update.category_now, update.category_next) == ("utility", "marketing")
    assert (update.language, update.meta_template_id) == ("pt_BR", "1")
    done = {"message_template_id": 1, "previous_category": "UTILITY", "new_category": "MARKETING"}
    update = one(body(change(done, "template_category_update")))
    assert isinstance(update, TemplateUpdate)
    assert (update.category_now, update.category_next) == ("marketing", None)


def test_account_updates_tell_limits_restrictions_and_tiers() -> None:
    quality = {"event": "THROUGHPUT_UPGRADE", "max_daily_conversations_per_business": "TIER_2K"}
    update = one(body(change(quality, "phone_number_quality_update"), time=AT))
    assert isinstance(update, AccountUpdate)
    assert (update.event, update.messaging_limit) == ("THROUGHPUT_UPGRADE", "TIER_2K")
    assert update.occurred_at == datetime.fromtimestamp(AT, UTC)
    partner = {
        "event": "PARTNER_ADDED",
        "waba_info": {"waba_id": "999"},
        "restriction_info": [{"restriction_type": "RESTRICTED_UTILITY_TEMPLATES"}, 3],
    }
    update = one(body(change(partner, "account_update")))
    assert isinstance(update, AccountUpdate)
    assert update.waba_id == "999"
    assert [restriction.kind for restriction in update.restrictions] == [
        "RESTRICTED_UTILITY_TEMPLATES"
    ]


def test_an_unknown_field_is_reported_as_unknown() -> None:
    update = one(body(change({"anything": 1}, "business_usernames_update")))
    assert isinstance(update, UnknownUpdate)
    assert update.field == "business_usernames_update"


def test_a_thousand_statuses_are_parsed_well_within_a_second() -> None:
    contacts = [{"profile": {"name": "x" * 2000}}] * 1000
    lists = messages_value(contacts=contacts, statuses=[status()] * 1000)
    raw = body(change(lists))
    started = time.perf_counter()
    assert len(parse_updates(raw)) == 1000
    assert time.perf_counter() - started < 0.5


JSON_VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=8,
)
FIELDS = st.sampled_from(
    [
        "messages",
        "user_preferences",
        "account_update",
        "template_category_update",
        "calls",
        "message_echoes",
        "group_lifecycle_update",
        "user_id_update",
        "",
    ]
)
LISTS = [
    "statuses",
    "messages",
    "errors",
    "metadata",
    "user_preferences",
    "calls",
    "groups",
    "message_echoes",
    "user_id_update",
]


@given(
    st.dictionaries(
        st.sampled_from(LISTS),
        st.one_of(JSON_VALUES, st.lists(JSON_VALUES, max_size=3)),
    ),
    FIELDS,
)
def test_no_value_makes_the_parser_raise(value: Json, field: str) -> None:
    good = change(messages_value(statuses=[status()]))
    updates = parse_updates(body(change(value, field), good))
    assert isinstance(updates[-1], StatusUpdate)


@given(
    st.dictionaries(
        st.sampled_from([*status(), "errors", "conversation", "recipient_user_id"]), JSON_VALUES
    )
)
def test_no_status_makes_the_parser_raise(fields: Json) -> None:
    lists = messages_value(statuses=[{**status(), **fields}, status()])
    updates = parse_updates(body(change(lists)))
    assert len(updates) == 2
    assert isinstance(updates[-1], StatusUpdate)


@given(st.binary(max_size=200))
def test_no_bytes_make_the_parser_raise(raw: bytes) -> None:
    assert all(isinstance(update, (BadUpdate, UnknownUpdate)) for update in parse_updates(raw))
