"""`carteiro webhook explain` and `carteiro send explain`: what our reader makes of Meta's bytes."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from carteiro.cli import app
from carteiro.webhook_facts import explain_webhook

AT = 1_790_000_000
WABA = "102290129340398"
NUMBER = "106540352242922"

Json = dict[str, object]

STATUS: Json = {"id": "wamid.A", "status": "sent", "timestamp": str(AT), "recipient_id": "5511"}
READ_OUT: Json = {"wamid": "wamid.A", "status": "sent", "ts": AT, "recipient": "5511"}


def within(**lists: object) -> Json:
    metadata = {"display_phone_number": "15550001111", "phone_number_id": NUMBER}
    return {"messaging_product": "whatsapp", "metadata": metadata, **lists}


def envelope(*changes: object, **entry: object) -> Json:
    entries = [{"id": WABA, "changes": list(changes), **entry}]
    return {"object": "whatsapp_business_account", "entry": entries}


def explained(field: str, value: object, **entry: object) -> list[Json]:
    """Without what is always there."""
    found: list[Json] = [
        dict(facts)
        for facts in explain_webhook(envelope({"field": field, "value": value}, **entry))
    ]
    for index, facts in enumerate(found):
        assert facts.pop("event") == index
        assert facts.pop("field") == field
        assert facts.pop("waba_id") == WABA
        assert facts.pop("phone_number_id", NUMBER) == NUMBER
    return found


def status(**fields: object) -> Json:
    return within(statuses=[{**STATUS, **fields}])


def message(**fields: object) -> Json:
    return within(messages=[{"id": "wamid.B", "from": "5521", "timestamp": AT, **fields}])


WRITTEN: Json = {"kind": "message", "wamid": "wamid.B", "sender": "5521", "ts": AT}
SYSTEM: Json = {**WRITTEN, "kind": "system", "msg_type": "system"}
PMP = {"billable": False, "pricing_model": "PMP", "type": "regular"}
TEMPLATE: Json = {
    "message_template_id": 594425479261596,
    "message_template_name": "oferta",
    "message_template_language": "pt-BR",
}
NAMED: Json = {"template": "oferta", "template_id": "594425479261596", "lang": "pt_BR"}


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (status(), {}),
        (status(timestamp=AT), {}),
        (status(status="played"), {"status": "played"}),
        (status(status="deleted"), {"status": "deleted"}),
        (status(status="warning", timestamp=AT), {"status": "warning"}),
        (status(recipient_user_id="BR.1"), {"recipient_bsuid": "BR.1"}),
        (
            status(pricing={**PMP, "category": "authentication-international"}),
            {
                "category": "authentication_international",
                "pricing_model": "PMP",
                "pricing_type": "regular",
                "billable": False,
            },
        ),
        (
            status(
                conversation={
                    "id": "c",
                    "expiration_timestamp": AT,
                    "origin": {"type": "utility"},
                    "pricing": {"billable": True, "pricing_model": "CBP", "category": "utility"},
                }
            ),
            {"category": "utility", "pricing_model": "CBP", "billable": True},
        ),
        (
            status(recipient_id="group-1", recipient_type="group", recipient_participant_id="5531"),
            {"recipient": "5531"},
        ),
        (status(recipient_type="group", participant_recipient_id="5531"), {"recipient": "5531"}),
        (
            status(status="failed", errors=[{"code": "131026", "title": "Undeliverable"}]),
            {"status": "failed", "code": 131026, "reason": "Undeliverable"},
        ),
        (
            status(status="failed", errors=[{"code": 131049, "error_data": "text"}]),
            {"status": "failed", "code": 131049},
        ),
    ],
)
def test_a_status_is_told_as_meta_wrote_it(value: Json, expected: Json) -> None:
    assert explained("messages", value) == [{"kind": "status", **READ_OUT, **expected}]


def test_a_status_may_have_a_business_scoped_id_only() -> None:
    alone = {name: value for name, value in STATUS.items() if name != "recipient_id"}
    found = explained("messages", within(statuses=[{**alone, "recipient_user_id": "US.ENT.9"}]))
    assert (found[0].get("recipient"), found[0]["recipient_bsuid"]) == (None, "US.ENT.9")


@pytest.mark.parametrize(
    ("field", "value", "expected"),
    [
        (
            "messages",
            status(timestamp="soon"),
            {
                **{name: READ_OUT[name] for name in READ_OUT if name != "ts"},
                "kind": "status",
                "reason": "timestamp is missing or no time at /entry/0/changes/0/value/statuses/0",
            },
        ),
        (
            "messages",
            within(statuses={**STATUS, "id": None}),
            {
                **{name: READ_OUT[name] for name in READ_OUT if name != "wamid"},
                "kind": "status",
                "reason": "id is missing or not an id at /entry/0/changes/0/value/statuses/0",
            },
        ),
        (
            "messages",
            within(statuses=[7]),
            {
                "kind": "status",
                "reason": "the item is not an object at /entry/0/changes/0/value/statuses/0",
            },
        ),
        (
            "messages",
            message(id="", type="text"),
            {
                "kind": "message",
                "sender": "5521",
                "ts": AT,
                "msg_type": "text",
                "reason": "id is missing or not an id at /entry/0/changes/0/value/messages/0",
            },
        ),
        (
            "messages",
            within(statuses="none"),
            {
                "kind": "other",
                "reason": "a list was expected at /entry/0/changes/0/value/statuses",
            },
        ),
        (
            "calls",
            within(statuses=[{"id": "wacid.2"}]),
            {
                "kind": "other",
                "reason": "status is missing or no word at /entry/0/changes/0/value/statuses/0",
            },
        ),
    ],
)
def test_what_the_reader_refuses_keeps_its_kind_and_what_can_be_read(
    field: str, value: Json, expected: Json
) -> None:
    assert explained(field, value) == [expected]


@pytest.mark.parametrize("seconds", [0, 1, 1_000_000_000])
def test_an_old_time_is_told_as_it_is(seconds: int) -> None:
    found = explained("messages", status(timestamp=str(seconds)))
    assert found == [{"kind": "status", **READ_OUT, "ts": seconds}]


@pytest.mark.parametrize(
    "kind",
    [
        "text",
        "image",
        "reaction",
        "button",
        "interactive",
        "order",
        "edit",
        "revoke",
        "request_welcome",
    ],
)
def test_each_type_of_message_is_a_message(kind: str) -> None:
    value = message(type=kind, **{kind: {"anything": 1}})
    assert explained("messages", value) == [{**WRITTEN, "msg_type": kind}]


def test_a_message_meta_could_not_pass_on_says_why() -> None:
    value = message(type="unsupported", errors=[{"code": 131051, "title": "Unsupported"}])
    assert explained("messages", value) == [
        {**WRITTEN, "msg_type": "unsupported", "code": 131051, "reason": "Unsupported"}
    ]


@pytest.mark.parametrize(
    "reason",
    [
        "user_changed_number",
        "customer_changed_number",
        "user_changed_user_id",
        "customer_identity_changed",
    ],
)
def test_a_system_message_is_no_message(reason: str) -> None:
    value = message(type="system", system={"type": reason, "wa_id": "5541"})
    assert explained("messages", value) == [{**SYSTEM, "reason": reason}]


def test_lists_are_walked_in_the_order_of_the_body_and_errors_stand_alone() -> None:
    value = within(
        errors=[{"code": 130429, "title": "Rate limit hit"}],
        messages=[{"id": "wamid.B", "from": "5521", "timestamp": AT, "type": "text"}],
        statuses=[STATUS],
    )
    found = explained("messages", value)
    assert [facts["kind"] for facts in found] == ["error", "message", "status"]
    assert found[0] == {"kind": "error", "code": 130429, "reason": "Rate limit hit"}


@pytest.mark.parametrize(
    ("field", "value", "expected"),
    [
        (
            "calls",
            within(calls=[{"id": "wacid.1", "from": "55", "event": "connect", "timestamp": AT}]),
            {"kind": "call", "wamid": "wacid.1", "sender": "55", "status": "connect", "ts": AT},
        ),
        (
            "calls",
            within(
                statuses=[
                    {**STATUS, "id": "wacid.2", "type": "call", "status": "RINGING"},
                ]
            ),
            {**READ_OUT, "kind": "call_status", "wamid": "wacid.2", "status": "RINGING"},
        ),
        *(
            (
                field,
                within(
                    message_echoes=[
                        {
                            "id": "wamid.C",
                            "from": "1555",
                            "to": "55",
                            "type": "text",
                            "timestamp": str(AT),
                        }
                    ]
                ),
                {
                    "kind": "echo",
                    "wamid": "wamid.C",
                    "sender": "1555",
                    "recipient": "55",
                    "msg_type": "text",
                    "ts": AT,
                },
            )
            for field in ("smb_message_echoes", "message_echoes")
        ),
        (
            "group_lifecycle_update",
            within(groups=[{"group_id": "g", "type": "group_create", "timestamp": str(AT)}]),
            {"kind": "group", "status": "group_create", "ts": AT},
        ),
        ("group_settings_update", within(type="x"), {"kind": "group", "status": "x"}),
        *(
            (
                "user_preferences",
                within(
                    user_preferences=[
                        {
                            "wa_id": "55",
                            "category": "marketing_messages",
                            "value": word,
                            "timestamp": AT,
                        }
                    ]
                ),
                {
                    "kind": "user_preference",
                    "status": word,
                    "sender": "55",
                    "category": "marketing_messages",
                    "ts": AT,
                },
            )
            for word in ("stop", "resume", "signup")
        ),
        *(
            (
                "user_id_update",
                value,
                {"kind": "user_id_update", "sender_bsuid": "BR.2", "reason": "BR.1"},
            )
            for value in (
                within(user_id={"previous": "BR.1", "current": "BR.2"}),
                within(user_id_update=[{"user_id": {"previous": "BR.1", "current": "BR.2"}}]),
                within(user_id_update={"user_id": {"previous": "BR.1", "current": "BR.2"}}),
            )
        ),
        ("history", within(history=[{"threads": []}]), {"kind": "other"}),
        ("smb_app_state_sync", within(state_sync=[]), {"kind": "other"}),
        ("flows", {"event": "FLOW_STATUS_CHANGE"}, {"kind": "other"}),
        ("security", {"event": "PIN_CHANGED"}, {"kind": "other"}),
        ("business_username_updates", {"username": "x"}, {"kind": "other"}),
    ],
)
def test_every_other_field_has_its_kind(field: str, value: object, expected: Json) -> None:
    assert explained(field, value) == [expected]


@pytest.mark.parametrize(
    ("field", "value", "expected"),
    [
        (
            "message_template_status_update",
            {**TEMPLATE, "event": "REJECTED", "reason": "ABUSIVE_CONTENT"},
            {"kind": "template_status", "status": "REJECTED", "reason": "ABUSIVE_CONTENT"},
        ),
        (
            "message_template_status_update",
            {
                **TEMPLATE,
                "event": "PAUSED",
                "reason": "NONE",
                "other_info": {"title": "FIRST_PAUSE"},
                "message_template_category": "MARKETING",
            },
            {
                "kind": "template_status",
                "status": "PAUSED",
                "reason": "FIRST_PAUSE",
                "category": "marketing",
            },
        ),
        (
            "message_template_status_update",
            {**TEMPLATE, "event": "APPROVED", "reason": None},
            {"kind": "template_status", "status": "APPROVED"},
        ),
        (
            "message_template_quality_update",
            {**TEMPLATE, "previous_quality_score": "GREEN", "new_quality_score": "YELLOW"},
            {"kind": "template_quality", "status": "YELLOW", "reason": "GREEN"},
        ),
        (
            "template_category_update",
            {**TEMPLATE, "new_category": "UTILITY", "correct_category": "MARKETING"},
            {"kind": "template_category", "category": "utility", "reason": "marketing"},
        ),
        (
            "template_category_update",
            {**TEMPLATE, "previous_category": "UTILITY", "new_category": "MARKETING"},
            {"kind": "template_category", "category": "marketing"},
        ),
        ("message_template_components_update", TEMPLATE, {"kind": "template_components"}),
    ],
)
def test_a_change_of_a_template_says_what_holds_now(
    field: str, value: Json, expected: Json
) -> None:
    assert explained(field, value, time=AT) == [{**NAMED, "ts": AT, **expected}]


@pytest.mark.parametrize(
    ("field", "value", "expected"),
    [
        (
            "account_update",
            {
                "event": "ACCOUNT_RESTRICTION",
                "restriction_info": [
                    {
                        "restriction_type": "RESTRICTED_BIZ_INITIATED_MESSAGING",
                        "expiration": str(AT),
                    }
                ],
            },
            {
                "kind": "account_update",
                "status": "ACCOUNT_RESTRICTION",
                "reason": "RESTRICTED_BIZ_INITIATED_MESSAGING",
            },
        ),
        (
            "account_update",
            {"event": "DISABLED_UPDATE", "ban_info": {"waba_ban_state": ["DISABLE"]}},
            {"kind": "account_update", "status": "DISABLED_UPDATE", "reason": "DISABLE"},
        ),
        (
            "account_update",
            {
                "event": "VOLUME_BASED_PRICING_TIER_UPDATE",
                "volume_tier_info": {
                    "tier_update_time": AT,
                    "pricing_category": "UTILITY",
                    "tier": "0:1000000",
                    "effective_month": "2026-11",
                    "region": "Brazil",
                },
            },
            {
                "kind": "account_update",
                "status": "VOLUME_BASED_PRICING_TIER_UPDATE",
                "category": "utility",
                "reason": "0:1000000",
            },
        ),
        (
            "account_alerts",
            {"alert_type": "INCREASED_CAPABILITIES_ELIGIBILITY_FAILED"},
            {"kind": "account_update", "status": "INCREASED_CAPABILITIES_ELIGIBILITY_FAILED"},
        ),
        (
            "account_review_update",
            {"decision": "APPROVED"},
            {"kind": "account_update", "status": "APPROVED"},
        ),
        (
            "phone_number_quality_update",
            {
                "event": "THROUGHPUT_UPGRADE",
                "max_daily_conversations_per_business": "TIER_UNLIMITED",
            },
            {
                "kind": "phone_quality",
                "status": "THROUGHPUT_UPGRADE",
                "reason": "TIER_UNLIMITED",
            },
        ),
        (
            "phone_number_quality_update",
            {"event": "UPGRADE", "old_limit": "TIER_250", "current_limit": "TIER_2K"},
            {"kind": "phone_quality", "status": "UPGRADE", "reason": "TIER_2K"},
        ),
        (
            "business_capability_update",
            {"max_daily_conversation_per_phone": 2000, "max_phone_numbers_per_business": 25},
            {"kind": "capability", "reason": "2000"},
        ),
    ],
)
def test_news_of_an_account_are_told(field: str, value: Json, expected: Json) -> None:
    assert explained(field, value) == [expected]


def test_the_account_of_a_partner_event_is_not_the_entrys() -> None:
    value = {"event": "PARTNER_ADDED", "waba_info": {"waba_id": "999"}}
    for entry in ({}, {"id": None}):
        body = envelope({"field": "account_update", "value": value}, **entry)
        assert explain_webhook(body)[0]["waba_id"] == "999"


@pytest.mark.parametrize(
    ("broken", "reason"),
    [
        (None, "changes is not an object"),
        ({"field": "messages", "value": "text"}, "value is not an object"),
        ({"field": "messages"}, "value is not an object"),
        ({"field": "messages", "value": within(statuses="x")}, "a list was expected"),
        ({"field": "messages", "value": within()}, "none of statuses, messages, errors"),
    ],
)
def test_what_is_broken_is_told_beside_its_neighbours(broken: object, reason: str) -> None:
    good = {"field": "messages", "value": within(statuses=[STATUS])}
    found = explain_webhook(envelope(good, broken, good))
    assert [facts["kind"] for facts in found] == ["status", "other", "status"]
    assert [facts["event"] for facts in found] == [0, 1, 2]
    assert str(found[1]["reason"]).startswith(reason)


@pytest.mark.parametrize(
    "entry", [None, 7, {}, {"id": WABA}, {"id": WABA, "changes": 7}, {"id": WABA, "changes": None}]
)
def test_a_broken_entry_hides_no_other(entry: object) -> None:
    body = envelope({"field": "messages", "value": within(statuses=[STATUS])})
    assert isinstance(body["entry"], list)
    body["entry"].insert(0, entry)
    assert [facts["kind"] for facts in explain_webhook(body)] == ["other", "status"]


def run(*arguments: str, stdin: bytes = b"") -> tuple[int, list[Json], str]:
    result = CliRunner().invoke(app, [*arguments], input=stdin)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return (
        result.exit_code,
        [json.loads(line) for line in result.stdout.splitlines()],
        result.stderr,
    )


BODY = json.dumps(envelope({"field": "messages", "value": within(statuses=[STATUS] * 2)})).encode()


def test_files_and_standard_input_are_read(tmp_path: Path) -> None:
    first = tmp_path / "a.json"
    first.write_bytes(json.dumps(json.loads(BODY), indent=2).encode())
    lines = BODY + b"\n\n" + BODY + b"\n"
    code, found, complaint = run("webhook", "explain", str(first), "-", stdin=lines)
    assert (code, complaint) == (0, "")
    assert [facts["event"] for facts in found] == [0, 1] * 3
    assert run("webhook", "explain", stdin=b"\xef\xbb\xbf" + BODY)[0] == 0


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"<html>",
        b"\xff\xfe",
        BODY.replace(b"5511", b"55\xff11"),
        BODY.replace(b'"5511"', b"NaN"),
        BODY.replace(b'"5511"', b"[" * 5000 + b"]" * 5000),
        BODY[:-1],
    ],
)
def test_what_is_no_json_is_complained_of_and_the_others_are_read(
    tmp_path: Path, raw: bytes
) -> None:
    good, broken = tmp_path / "good.json", tmp_path / "broken.json"
    good.write_bytes(BODY)
    broken.write_bytes(raw)
    code, found, complaint = run(
        "webhook", "explain", str(broken), str(tmp_path / "none"), str(good)
    )
    assert (code, len(found)) == (2, 2)
    assert str(broken) in complaint
    assert str(tmp_path / "none") in complaint


def test_a_bad_line_hides_no_other() -> None:
    code, found, complaint = run("webhook", "explain", stdin=BODY + b"\nnonsense\n" + BODY)
    assert (code, len(found)) == (2, 4)
    assert "standard input" in complaint


def test_a_body_of_a_thousand_updates_and_three_megabytes_is_read() -> None:
    contacts = [{"profile": {"name": "á" * 1000}}] * 400
    value = within(contacts=contacts, statuses=[STATUS] * 1000)
    raw = json.dumps(envelope({"field": "messages", "value": value})).encode()
    assert len(raw) > 2_400_000
    code, found, _ = run("webhook", "explain", stdin=raw)
    assert (code, len(found)) == (0, 1000)


def test_the_last_of_duplicate_keys_counts() -> None:
    raw = BODY.replace(b'"status": "sent"', b'"status": "sent", "status": "read"')
    assert {facts["status"] for facts in run("webhook", "explain", stdin=raw)[1]} == {"read"}


def test_a_table_is_for_people() -> None:
    result = CliRunner().invoke(app, ["webhook", "explain", "--pretty"], input=BODY)
    assert result.exit_code == 0
    assert "wamid.A" in result.stdout.replace("\n", "")


ACCEPTED: Json = {
    "messaging_product": "whatsapp",
    "contacts": [{"input": "+5511", "wa_id": "5511"}],
    "messages": [{"id": "wamid.A", "message_status": "held_for_quality_assessment"}],
}
REFUSED: Json = {
    "error": {
        "message": "(#131056) Pair rate",
        "code": "131056",
        "error_subcode": 2494055,
        "error_data": "text",
    }
}


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (
            ACCEPTED,
            {
                "kind": "api_ok",
                "wamid": "wamid.A",
                "recipient": "5511",
                "message_status": "held_for_quality_assessment",
            },
        ),
        (
            {"contacts": [{"input": "BR.1", "user_id": "BR.1"}], "messages": [{"id": "wamid.A"}]},
            {"kind": "api_ok", "wamid": "wamid.A", "recipient": "BR.1"},
        ),
        ({"success": True}, {"kind": "api_ok"}),
        (
            REFUSED,
            {
                "kind": "api_error",
                "code": 131056,
                "subcode": 2494055,
                "action": "delay",
                "reason": "(#131056) Pair rate",
            },
        ),
        (
            {"status": 403, "headers": {}, "body": json.dumps(REFUSED)},
            {
                "kind": "api_error",
                "http": 403,
                "code": 131056,
                "subcode": 2494055,
                "action": "delay",
                "reason": "(#131056) Pair rate",
            },
        ),
        (
            {"status": 429, "body": {"error": {"message": "slow down"}}},
            {"kind": "api_error", "http": 429, "action": "delay", "reason": "slow down"},
        ),
        (
            {"status": 502, "body": "<html>Bad gateway</html>"},
            {
                "kind": "api_error",
                "http": 502,
                "action": "in_doubt",
                "reason": "Meta answered without an error envelope",
            },
        ),
        (
            {"messages": [{}]},
            {
                "kind": "api_error",
                "action": "in_doubt",
                "reason": "Meta accepted without a message id",
            },
        ),
    ],
)
def test_an_answer_is_read_as_the_worker_reads_it(raw: Json, expected: Json) -> None:
    assert run("send", "explain", stdin=json.dumps(raw).encode()) == (0, [expected], "")


def test_answers_come_as_lines_as_a_list_and_as_html(tmp_path: Path) -> None:
    lines = json.dumps(ACCEPTED) + "\n<html>\n" + json.dumps([REFUSED, ACCEPTED])
    code, found, _ = run("send", "explain", stdin=lines.encode())
    assert code == 0
    kinds = [facts["kind"] for facts in found]
    assert kinds == ["api_ok", "api_error", "api_error", "api_ok"]
    page = tmp_path / "page.html"
    page.write_text("<html>\n<body>Bad gateway</body>\n</html>")
    code, found, _ = run("send", "explain", "--http", "503", str(page))
    assert (code, [facts["http"] for facts in found]) == (0, [503])
