import base64
from typing import Any

import pytest

from sandbox.phones import country_of, read_recipient, wa_id_of
from tests.support.sandboxes import (
    TEMPLATE,
    Json,
    RunningSandbox,
    quick_config,
    running_sandbox,
)

TO = "+5511955550123"


def template(name: str, language: str, *components: Json) -> Json:
    return {
        "messaging_product": "whatsapp",
        "to": TO,
        "type": "template",
        "template": {
            "name": name,
            "language": {"code": language},
            "components": list(components),
        },
    }


def texts(*values: str) -> list[Json]:
    return [{"type": "text", "text": value} for value in values]


def order_update(parameters: list[Json], button: str | None = "A-1") -> Json:
    parts: list[Json] = [{"type": "body", "parameters": parameters}]
    if button is not None:
        parts.append({"type": "button", "sub_type": "url", "index": 0, "parameters": texts(button)})
    return template("order_update", "pt_BR", *parts)


def text_message(**extra: object) -> Json:
    return {
        "messaging_product": "whatsapp",
        "to": TO,
        "type": "text",
        "text": {"body": "x"},
        **extra,
    }


def test_accepted_template_answers_with_a_wamid_that_holds_the_phone_number(
    sandbox: RunningSandbox,
) -> None:
    response = sandbox.send_template("+55 (11) 95555-0123")

    answer = response.json()
    assert response.status_code == 200
    assert answer["contacts"] == [{"input": "+55 (11) 95555-0123", "wa_id": "5511955550123"}]
    assert answer["messages"][0]["message_status"] == "accepted"
    wamid = answer["messages"][0]["id"]
    assert wamid.startswith("wamid.")
    assert b"5511955550123" in base64.b64decode(wamid.removeprefix("wamid."))
    assert response.headers["facebook-api-version"] == "v26.0"
    assert response.headers["x-fb-trace-id"]
    assert sandbox.waba_id in response.headers["x-business-use-case-usage"]


def test_text_inside_an_open_window_is_accepted_without_message_status(
    sandbox: RunningSandbox,
) -> None:
    assert sandbox.send_text().json()["error"]["code"] == 131047

    sandbox.control("inbound", {"from": TO, "text": "oi"})

    assert "message_status" not in sandbox.send_text().json()["messages"][0]


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({}, 100),
        ({"messaging_product": "sms", "to": TO, "text": {"body": "x"}}, 100),
        ({"messaging_product": "whatsapp", "text": {"body": "x"}}, 100),
        ({"messaging_product": "whatsapp", "to": TO, "type": "fax", "fax": {}}, 100),
        ({"messaging_product": "whatsapp", "to": TO, "type": "text"}, 131008),
        (text_message(text={"body": ""}), 131008),
        (text_message(text={"body": "x" * 4097}), 100),
        (text_message(to="not a number"), 131009),
        (text_message(to="+5511955500101"), 131021),
        (text_message(biz_opaque_callback_data="x" * 513), 100),
        (text_message(type="image", image={"link": "ftp://x"}), 131009),
        (text_message(type="image", image={"id": "404"}), 131009),
        (text_message(type="image", image={}), 131008),
        (text_message(type="audio", audio={"link": "https://x", "caption": "x"}), 100),
        (text_message(type="interactive", interactive={"type": "button"}), 131008),
        (template("missing", "en_US"), 132001),
        (template("hello_world", "de"), 132001),
        (order_update(texts("a", "b")), 132000),
        (order_update([*texts("a", "b"), {"type": "image", "image": {}}]), 132012),
        (order_update(texts("a", "b", "c"), button=None), 131008),
        (order_update(texts("a", "", "c")), 131008),
        (order_update(texts("a", "b\nb", "c")), 132018),
        (order_update(texts("a", "b" * 2000, "c")), 132005),
        (
            template("spring_offer", "pt_BR", {"type": "body", "parameters": texts("Zoë", "20%")}),
            132012,
        ),
        (template("hello_world", "en_US", {"type": "body", "parameters": texts("x")}), 132000),
    ],
)
def test_invalid_send_is_refused_with_metas_code(
    sandbox: RunningSandbox, body: Json, code: int
) -> None:
    sandbox.control("inbound", {"from": TO, "text": "oi"})

    response = sandbox.post(body)

    error = response.json()["error"]
    assert (error["code"], response.status_code) == (code, 400)
    assert error["type"] == "OAuthException"
    assert error["fbtrace_id"]
    assert sandbox.summary()["accepted_total"] == 0


@pytest.mark.parametrize(
    "body",
    [
        order_update(texts("Zoë", "A-1", "amanhã")),
        {
            **order_update([]),
            "recipient_type": "individual",
            "context": None,
            "template": {
                "name": "order_update",
                "language": {"code": "pt_BR", "policy": "deterministic"},
                "components": [
                    {"type": "BODY", "parameters": texts("a", "b", "c")},
                    {"type": "BUTTON", "sub_type": "URL", "index": "0", "parameters": texts("x")},
                ],
            },
        },
        text_message(type="image", image={"link": "https://x.example/a.png", "caption": "a"}),
        text_message(
            type="interactive",
            interactive={
                "type": "button",
                "body": {"text": "Sim?"},
                "action": '{"buttons":[{"type":"reply","reply":{"id":"1","title":"Sim"}}]}',
            },
        ),
        text_message(type="location", location={"latitude": 1, "longitude": 2}),
        text_message(type="contacts", contacts=[{"name": {"formatted_name": "Zoë"}}]),
        text_message(type="reaction", reaction={"message_id": "wamid.x", "emoji": ""}),
    ],
)
def test_every_form_seen_in_the_field_is_accepted(sandbox: RunningSandbox, body: Json) -> None:
    sandbox.control("inbound", {"from": TO, "text": "oi"})

    response = sandbox.post(body)

    assert response.status_code == 200, response.text


@pytest.mark.parametrize("status", ["PAUSED", "DISABLED", "REJECTED"])
def test_template_that_is_not_approved_is_refused(sandbox: RunningSandbox, status: str) -> None:
    known = next(iter(sandbox.app.sandbox.world.templates.values()))
    sandbox.control("templates/status", {"id": known.id, "status": status})

    code = sandbox.send_template().json()["error"]["code"]

    assert code == {"PAUSED": 132015, "DISABLED": 132016, "REJECTED": 132001}[status]


@pytest.mark.parametrize(
    ("headers", "params", "code", "status"),
    [
        ({"Authorization": ""}, {}, 104, 401),
        ({"Authorization": "Bearer wrong"}, {}, 190, 401),
        ({"Authorization": ""}, {"access_token": "wrong"}, 190, 401),
    ],
)
def test_missing_or_wrong_token_is_refused(
    sandbox: RunningSandbox, headers: Json, params: Json, code: int, status: int
) -> None:
    url = f"/v26.0/{sandbox.number_id}/messages"

    response = sandbox.client.post(url, json={}, headers=headers, params=params)

    assert (response.json()["error"]["code"], response.status_code) == (code, status)


@pytest.mark.parametrize("prefix", ["", "/v13.0", "/v26.0", "/v99.9"])
def test_any_version_prefix_and_the_token_in_the_query_are_accepted(
    sandbox: RunningSandbox, prefix: str
) -> None:
    body = {"messaging_product": "whatsapp", "to": TO, "type": "template", "template": TEMPLATE}

    response = sandbox.client.post(
        f"{prefix}/{sandbox.number_id}/messages",
        json=body,
        headers={"Authorization": ""},
        params={"access_token": sandbox.token},
    )

    assert response.status_code == 200


def test_expired_token_and_foreign_number_are_told_apart() -> None:
    config = quick_config().model_dump(mode="json")
    other = {**config["wabas"][0], "id": "2", "templates": []}
    other["numbers"] = [{"id": "22", "display_phone_number": "+1 415 555 0100"}]
    config["wabas"].append(other)
    config["tokens"][0]["waba_ids"] = [config["wabas"][0]["id"]]
    config["tokens"].append({"token": "old", "expires_at": "2020-01-01T00:00:00Z"})
    with running_sandbox(type(quick_config()).model_validate(config)) as sandbox:
        foreign = sandbox.post({}, number_id="22").json()["error"]
        expired = sandbox.client.get("/22", headers={"Authorization": "Bearer old"})

    assert (foreign["code"], foreign["error_subcode"]) == (100, 33)
    assert expired.json()["error"]["error_subcode"] == 463


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"state": "DELETED"}, 33),
        ({"state": "DISCONNECTED"}, 133010),
        ({"allowed_recipients": ["+5511955550199"]}, 131030),
    ],
)
def test_state_of_the_number_decides(changes: Json, code: int) -> None:
    config = quick_config().model_dump(mode="json")
    config["wabas"][0]["numbers"][0].update(changes)
    with running_sandbox(type(quick_config()).model_validate(config)) as sandbox:
        assert sandbox.send_template().json()["error"]["code"] == code


@pytest.mark.parametrize(("policy", "accepted"), [("api", 0), ("webhook", 1), ("allowed", 1)])
def test_marketing_to_a_us_number_meets_the_configured_policy(policy: str, accepted: int) -> None:
    parameters: list[dict[str, Any]] = [
        {"type": "text", "parameter_name": "first_name", "text": "Zoë"},
        {"type": "text", "parameter_name": "discount", "text": "20%"},
    ]
    body = template("spring_offer", "pt_BR", {"type": "body", "parameters": parameters})
    with running_sandbox(quick_config(limits={"us_marketing": policy})) as sandbox:
        response = sandbox.post({**body, "to": "+14155550100"})
        summary = sandbox.summary()
        canada = sandbox.post({**body, "to": "+16045550100"})

    assert summary["accepted_total"] == accepted
    assert canada.status_code == 200
    if policy == "api":
        assert response.json()["error"]["code"] == 131049
    else:
        assert summary["statuses"]["planned"]["failed"] == (1 if policy == "webhook" else 0)


def test_read_receipt_needs_a_message_that_came_in(sandbox: RunningSandbox) -> None:
    inbound = sandbox.control("inbound", {"from": TO, "text": "oi"})
    receipt = {"messaging_product": "whatsapp", "status": "read"}

    known = sandbox.post({**receipt, "message_id": inbound["id"]})
    unknown = sandbox.post({**receipt, "message_id": "wamid.none"})

    assert known.json() == {"success": True}
    assert unknown.json()["error"]["code"] == 131009


def test_send_to_a_business_scoped_user_id_reaches_the_same_user(sandbox: RunningSandbox) -> None:
    user_id = sandbox.control("inbound", {"from": TO, "text": "oi"})["user_id"]
    body = {"messaging_product": "whatsapp", "type": "text", "text": {"body": "x"}}

    answer = sandbox.post({**body, "recipient": user_id}).json()
    stranger = sandbox.post({**body, "recipient": "BR.00000000000000000001"}).json()

    assert answer["contacts"] == [{"input": user_id, "user_id": user_id}]
    message = sandbox.app.sandbox.ledger.messages[0]
    assert message.wa_id == "5511955550123"
    assert stranger["error"]["code"] == 131026


@pytest.mark.parametrize(
    ("digits", "wa_id"),
    [
        ("5511955550123", "5511955550123"),
        ("551155550123", "551155550123"),
        ("5531987654321", "553187654321"),
        ("553187654321", "553187654321"),
        ("1187654321", "1187654321"),
        ("551187654321", "5511987654321"),
        ("5215512345678", "5215512345678"),
        ("525512345678", "5215512345678"),
        ("351912345678", "351912345678"),
    ],
)
def test_wa_id_differs_from_the_number_in_brazil_and_mexico(digits: str, wa_id: str) -> None:
    assert wa_id_of(digits) == wa_id


@pytest.mark.parametrize(
    ("digits", "country"),
    [
        ("5511955550123", "BR"),
        ("14155550100", "US"),
        ("16045550100", "CA"),
        ("12425550100", "BS"),
        ("919812345678", "IN"),
        ("447700900123", "GB"),
        ("79161234567", "RU"),
        ("77011234567", "KZ"),
        ("99955550123", "ZZ"),
    ],
)
def test_country_follows_the_calling_code(digits: str, country: str) -> None:
    assert country_of(digits) == country


@pytest.mark.parametrize(
    ("to", "prepend", "digits"),
    [
        ("+16505551234", True, "16505551234"),
        ("16505551234", True, "5516505551234"),
        ("16502531234", False, "16502531234"),
        ("11955550123", False, "5511955550123"),
        ("553187654321", False, "553187654321"),
        ("+12", False, None),
        ("+1 650 555 1234 x", False, None),
    ],
)
def test_number_without_plus_is_read_with_the_business_numbers_country_code(
    to: str, prepend: bool, digits: str | None
) -> None:
    read = read_recipient(to, business_digits="5511955500101", prepend_country_code=prepend)

    assert read == digits
