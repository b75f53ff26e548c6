import hashlib

import pytest

from tests.support.sandboxes import Callback, Json, RunningSandbox


def names(answer: Json) -> list[str]:
    return [template["name"] for template in answer["data"]]


def test_template_list_pages_in_both_directions(sandbox: RunningSandbox) -> None:
    url = f"/v26.0/{sandbox.waba_id}/message_templates"
    first = sandbox.client.get(url, params={"limit": 2, "fields": "name,status"}).json()
    second = sandbox.client.get(first["paging"]["next"]).json()
    back = sandbox.client.get(second["paging"]["previous"]).json()
    by_cursor = sandbox.client.get(
        url, params={"limit": 2, "after": first["paging"]["cursors"]["after"]}
    ).json()

    assert names(first) == names(back) == ["hello_world", "order_update"]
    assert names(second) == names(by_cursor) == ["spring_offer"]
    assert "next" not in second["paging"]
    assert "previous" not in first["paging"]
    assert set(first["data"][0]) == {"name", "status", "id"}
    assert sandbox.token not in first["paging"]["next"]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({"name": "order"}, ["order_update"]),
        ({"language": "pt_BR"}, ["order_update", "spring_offer"]),
        ({"language": "en_US,pt_BR", "category": "MARKETING"}, ["spring_offer"]),
        ({"status": "PAUSED"}, []),
        ({"status": '["APPROVED"]', "name": "hello"}, ["hello_world"]),
    ],
)
def test_template_list_is_filtered(
    sandbox: RunningSandbox, query: Json, expected: list[str]
) -> None:
    url = f"/v26.0/{sandbox.waba_id}/message_templates"

    assert names(sandbox.client.get(url, params=query).json()) == expected


def test_bad_cursor_is_refused(sandbox: RunningSandbox) -> None:
    url = f"/v26.0/{sandbox.waba_id}/message_templates"

    response = sandbox.client.get(url, params={"after": "rubbish"})

    assert (response.status_code, response.json()["error"]["code"]) == (400, 100)


def test_new_template_is_pending_then_approved_by_webhook_and_can_be_sent(
    sandbox: RunningSandbox, callback: Callback
) -> None:
    url = f"/v26.0/{sandbox.waba_id}/message_templates"
    body = {
        "name": "delivery_note",
        "language": "pt_BR",
        "category": "UTILITY",
        "components": [{"type": "BODY", "text": "Chegou: {{1}}."}],
    }
    created = sandbox.client.post(url, json=body).json()
    again = sandbox.client.post(url, json=body).json()
    callback.wait_for(lambda c: bool(c.values("message_template_status_update")))
    template = {
        "name": "delivery_note",
        "language": {"code": "pt_BR"},
        "components": [{"type": "body", "parameters": [{"type": "text", "text": "A-1"}]}],
    }
    sent = sandbox.send_template(template=template)

    assert (created["status"], created["category"]) == ("PENDING", "UTILITY")
    assert again["error"]["code"] == 2388024
    approved = callback.values("message_template_status_update")[0]
    assert (approved["event"], str(approved["message_template_id"])) == ("APPROVED", created["id"])
    assert sent.status_code == 200
    shown = sandbox.client.get(f"/{created['id']}").json()
    assert (shown["status"], shown["parameter_format"]) == ("APPROVED", "POSITIONAL")


@pytest.mark.parametrize(
    "changes",
    [{"name": "Has Capitals"}, {"language": ""}, {"category": "SPAM"}, {"components": "x"}],
)
def test_template_that_meta_would_not_take_is_refused(
    sandbox: RunningSandbox, changes: Json
) -> None:
    body = {"name": "fine", "language": "pt_BR", "category": "UTILITY", "components": []}

    response = sandbox.client.post(
        f"/{sandbox.waba_id}/message_templates", json={**body, **changes}
    )

    assert response.json()["error"]["code"] == 100


def test_deleted_template_is_gone_for_sends(sandbox: RunningSandbox) -> None:
    url = f"/{sandbox.waba_id}/message_templates"

    deleted = sandbox.client.delete(url, params={"name": "hello_world"})
    again = sandbox.client.delete(url, params={"name": "hello_world"})

    assert deleted.json() == {"success": True}
    assert again.json()["error"]["code"] == 100
    assert sandbox.send_template().json()["error"]["code"] == 132001


def test_paused_template_can_be_unpaused(sandbox: RunningSandbox) -> None:
    known = next(iter(sandbox.app.sandbox.world.templates.values()))
    sandbox.control("templates/status", {"id": known.id, "status": "PAUSED"})
    refused = sandbox.send_template().json()["error"]["code"]

    answer = sandbox.client.post(f"/v26.0/{known.id}/unpause").json()

    assert refused == 132015
    assert answer == {"success": True}
    assert sandbox.send_template().status_code == 200


def test_number_shows_the_asked_fields(sandbox: RunningSandbox) -> None:
    fields = "throughput,quality_rating,webhook_configuration,unknown_field"

    node = sandbox.client.get(f"/v26.0/{sandbox.number_id}", params={"fields": fields}).json()

    assert node["throughput"] == {"level": "STANDARD"}
    assert node["quality_rating"] == "GREEN"
    assert node["webhook_configuration"]["application"].endswith("/hook")
    assert set(node) == {"throughput", "quality_rating", "webhook_configuration", "id"}


def test_account_shows_currency_and_zone(sandbox: RunningSandbox) -> None:
    query = {"fields": "id,currency,timezone_id"}

    node = sandbox.client.get(f"/v26.0/{sandbox.waba_id}", params=query).json()

    assert node == {
        "id": sandbox.waba_id,
        "currency": "USD",
        "timezone_id": "America/Sao_Paulo",
    }


@pytest.mark.parametrize(("method", "path"), [("GET", "/123"), ("POST", "/123/messages")])
def test_unknown_object_answers_100_with_subcode_33(
    sandbox: RunningSandbox, method: str, path: str
) -> None:
    error = sandbox.client.request(method, path).json()["error"]

    assert (error["code"], error["error_subcode"]) == (100, 33)


def test_debug_token_names_scopes_and_accounts(sandbox: RunningSandbox) -> None:
    known = sandbox.client.get("/debug_token", params={"input_token": sandbox.token}).json()
    unknown = sandbox.client.get("/debug_token", params={"input_token": "x"}).json()

    assert known["data"]["is_valid"]
    assert known["data"]["expires_at"] == 0
    assert {s["scope"] for s in known["data"]["granular_scopes"]} == {
        "whatsapp_business_management",
        "whatsapp_business_messaging",
    }
    assert known["data"]["granular_scopes"][0]["target_ids"] == [sandbox.waba_id]
    assert not unknown["data"]["is_valid"]


def test_message_history_tells_what_became_of_the_webhooks(
    sandbox: RunningSandbox, callback: Callback
) -> None:
    wamid = sandbox.send_template().json()["messages"][0]["id"]
    callback.wait_for_statuses(3)
    callback.wait_for(lambda _: sandbox.summary()["statuses"]["pending"] == 0)

    url = f"/v26.0/{sandbox.number_id}/message_history"
    answer = sandbox.client.get(url, params={"message_id": wamid}).json()
    nothing = sandbox.client.get(url, params={"message_id": "wamid.none"}).json()

    events = answer["data"][0]["events"]["data"]
    assert [(e["delivery_status"], e.get("webhook_update_state")) for e in events] == [
        ("ACCEPTED", None),
        ("SENT", "DELIVERED"),
        ("DELIVERED", "DELIVERED"),
        ("READ", "DELIVERED"),
    ]
    assert nothing == {"data": []}


def test_uploaded_media_can_be_fetched_sent_and_deleted(sandbox: RunningSandbox) -> None:
    content = b"\x89PNG\r\n\x1a\n\x00binary\xff"
    upload = sandbox.client.post(
        f"/v26.0/{sandbox.number_id}/media",
        data={"messaging_product": "whatsapp", "type": "image/png"},
        files={"file": ("a.png", content, "image/png")},
    ).json()
    node = sandbox.client.get(f"/v26.0/{upload['id']}").json()
    fetched = sandbox.client.get(node["url"])
    without_token = sandbox.client.get(node["url"], headers={"Authorization": ""})
    sandbox.control("inbound", {"from": "+5511955550123", "text": "oi"})
    image: Json = {"type": "image", "image": {"id": upload["id"]}}
    message = {"messaging_product": "whatsapp", "to": "+5511955550123", **image}
    sent = sandbox.post(message)
    deleted = sandbox.client.delete(f"/v26.0/{upload['id']}").json()

    assert fetched.content == content
    assert node["sha256"] == hashlib.sha256(content).hexdigest()
    assert (node["mime_type"], node["file_size"]) == ("image/png", str(len(content)))
    assert without_token.status_code == 422
    assert sent.status_code == 200
    assert deleted == {"success": True}
    assert sandbox.post(message).json()["error"]["code"] == 131009


@pytest.mark.parametrize(
    "body",
    [
        {"from": "+5511955550123"},
        {"from": "+5511955550123", "text": "a", "preference": "stop"},
        {"from": "x", "text": "a"},
        {"from": "+5511955550123", "text": "a", "phone_number_id": "404"},
        {"text": "a"},
    ],
)
def test_control_api_refuses_what_no_user_could_do(sandbox: RunningSandbox, body: Json) -> None:
    response = sandbox.client.post("/sandbox/inbound", json=body)

    assert response.status_code == 422
    assert response.json()["errors"]


def test_health_counts_accepted_messages(sandbox: RunningSandbox) -> None:
    sandbox.send_template()

    health = sandbox.client.get("/sandbox/health").json()

    assert (health["status"], health["accepted_total"]) == ("ok", 1)
