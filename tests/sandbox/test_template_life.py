"""The life of a template: review, pauses, pacing, categories, edits."""

import pytest

from tests.sandbox.test_policies import OFFER
from tests.support.sandboxes import Callback, Json, RunningSandbox, quick_config, running_sandbox

HOUR = 3600


def template_id(sandbox: RunningSandbox, name: str = "hello_world") -> str:
    templates = sandbox.app.sandbox.world.templates.values()
    return next(t.id for t in templates if t.name == name)


def create(sandbox: RunningSandbox, name: str, category: str = "UTILITY") -> Json:
    body = {
        "name": name,
        "language": "pt_BR",
        "category": category,
        "components": [{"type": "BODY", "text": "Olá"}],
    }
    answer = sandbox.client.post(f"/v26.0/{sandbox.waba_id}/message_templates", json=body).json()
    assert isinstance(answer, dict)
    return answer


def titles(callback: Callback) -> list[str]:
    values = callback.values("message_template_status_update")
    return [value.get("other_info", {}).get("title", value["event"]) for value in values]


def test_red_quality_pauses_for_three_hours_then_six_then_for_good(
    sandbox: RunningSandbox, callback: Callback
) -> None:
    template = template_id(sandbox)
    seen = []
    for told, hours in ((1, 3), (3, 6)):
        sandbox.control("templates", {"id": template, "quality": "RED"})
        callback.wait_for(lambda c, told=told: len(titles(c)) == told)  # type: ignore[misc]
        seen.append(sandbox.send_template().json()["error"]["code"])
        sandbox.control("clock", {"advance_seconds": hours * HOUR - 60})
        seen.append(sandbox.send_template().json()["error"]["code"])
        sandbox.control("clock", {"advance_seconds": 120})
        callback.wait_for(lambda c, told=told: len(titles(c)) == told + 1)  # type: ignore[misc]
        seen.append(sandbox.send_template("+5511955550124").status_code)
    sandbox.control("templates", {"id": template, "quality": "RED"})
    seen.append(sandbox.send_template().json()["error"]["code"])
    callback.wait_for(lambda c: titles(c)[-1:] == ["DISABLED"])

    assert seen == [132015, 132015, 200, 132015, 132015, 200, 132016]
    assert titles(callback) == ["FIRST_PAUSE", "UNPAUSE", "SECOND_PAUSE", "UNPAUSE", "DISABLED"]
    quality = callback.values("message_template_quality_update")[0]
    assert (quality["previous_quality_score"], quality["new_quality_score"]) == ("UNKNOWN", "RED")


@pytest.mark.parametrize(("outcome", "ends"), [("release", "read"), ("drop", "failed")])
def test_paced_template_holds_then_releases_or_drops_and_pauses(
    sandbox: RunningSandbox, callback: Callback, outcome: str, ends: str
) -> None:
    template = template_id(sandbox, "spring_offer")
    pacing = {"first": 2, "decision_seconds": 600, "outcome": outcome}
    sandbox.control("templates", {"id": template, "pacing": pacing})
    answers = [sandbox.send_template(f"+551195555000{i}", template=OFFER).json() for i in range(4)]
    held = [a["messages"][0]["message_status"] for a in answers]
    callback.wait_for_statuses(6)
    before = len(callback.statuses())
    sandbox.control("clock", {"advance_seconds": 700})
    wamid = answers[3]["messages"][0]["id"]
    callback.wait_for(lambda c: any(s["id"] == wamid and s["status"] == ends for s in c.statuses()))
    refused = sandbox.send_template("+5511955550009", template=OFFER).json().get("error", {})

    assert held == ["accepted"] * 2 + ["held_for_quality_assessment"] * 2
    assert before == 6
    if outcome == "drop":
        failed = [s for s in callback.statuses() if s["status"] == "failed"]
        assert {s["errors"][0]["code"] for s in failed} == {132015}
        assert refused["code"] == 132015
        assert titles(callback) == ["RATE_LIMITING_PAUSE"]
        sandbox.control("clock", {"advance_seconds": 30 * 24 * HOUR})
        again = sandbox.send_template("+5511955550009", template=OFFER)
        assert again.json()["error"]["code"] == 132015
    else:
        assert refused == {}


def test_category_notice_names_the_coming_one_and_the_change_follows(
    sandbox: RunningSandbox, callback: Callback
) -> None:
    template = template_id(sandbox)
    sandbox.control("templates", {"id": template, "category": "MARKETING"})
    url = f"/v26.0/{template}?fields=category,correct_category"
    meanwhile = sandbox.client.get(url).json()
    sandbox.control("clock", {"advance_seconds": 24 * HOUR + 1})
    callback.wait_for(lambda c: len(c.values("template_category_update")) == 2)
    notice, done = callback.values("template_category_update")

    assert (meanwhile["category"], meanwhile["correct_category"]) == ("UTILITY", "MARKETING")
    assert (notice["new_category"], notice["correct_category"]) == ("UTILITY", "MARKETING")
    assert (done["previous_category"], done["new_category"]) == ("UTILITY", "MARKETING")
    assert "correct_category" not in done
    assert sandbox.client.get(url).json()["category"] == "MARKETING"


def test_misuse_changes_the_category_at_once(sandbox: RunningSandbox, callback: Callback) -> None:
    template = template_id(sandbox)
    change = {"id": template, "category": "MARKETING", "notice": False}
    assert sandbox.control("templates", change)["category"] == "MARKETING"
    callback.wait_for(lambda c: len(c.values("template_category_update")) == 1)

    assert sandbox.send_template().status_code == 200
    assert sandbox.summary()["accepted_by_category"] == {"marketing": 1}


def test_review_rejects_by_the_seed(callback: Callback) -> None:
    config = quick_config(callback={"url": callback.url})
    config.review.rejected = 0.5
    with running_sandbox(config) as sandbox:
        for i in range(12):
            create(sandbox, f"new_{i}")
        field = "message_template_status_update"
        callback.wait_for(lambda c: len(c.values(field)) == 12)

    events = {value["message_template_name"]: value for value in callback.values(field)}
    assert {value["event"] for value in events.values()} == {"APPROVED", "REJECTED"}
    rejected = next(v for v in events.values() if v["event"] == "REJECTED")
    assert rejected["rejection_info"]["recommendation"]


def test_approved_template_has_one_edit_a_day_and_tells_its_new_content(
    sandbox: RunningSandbox, callback: Callback
) -> None:
    url = f"/v26.0/{template_id(sandbox)}"
    body = {"components": [{"type": "BODY", "text": "Outro texto"}]}
    first = sandbox.client.post(url, json=body).json()
    callback.wait_for(lambda c: bool(c.values("message_template_components_update")))
    second = sandbox.client.post(url, json=body).json()
    sandbox.control("clock", {"advance_seconds": 24 * HOUR + 1})
    third = sandbox.client.post(url, json=body).json()

    told = callback.values("message_template_components_update")[0]
    assert first["success"]
    assert told["message_template_element"] == "Outro texto"
    assert second["error"]["code"] == 2388039
    assert third["success"]


def test_deleted_approved_name_is_blocked_for_thirty_days(sandbox: RunningSandbox) -> None:
    url = f"/v26.0/{sandbox.waba_id}/message_templates"
    created = create(sandbox, "short_lived")
    sandbox.app.sandbox.world.templates[created["id"]].status = "APPROVED"
    sandbox.client.delete(url, params={"name": "short_lived"})
    blocked = create(sandbox, "short_lived")["error"]["code"]
    sandbox.control("clock", {"advance_seconds": 30 * 24 * HOUR + 1})

    assert blocked == 2388023
    assert create(sandbox, "short_lived")["status"] == "PENDING"


def test_hundred_creations_an_hour_and_no_more() -> None:
    config = quick_config()
    config.review.creations_per_hour = 2
    config.review.templates_per_account = 6
    with running_sandbox(config) as sandbox:
        answers = [create(sandbox, f"t{i}") for i in range(3)]
        sandbox.control("clock", {"advance_seconds": HOUR + 1})
        later = [create(sandbox, f"u{i}") for i in range(2)]

    assert [a.get("error", {}).get("code") for a in answers] == [None, None, 80007]
    assert [a.get("error", {}).get("code") for a in later] == [None, 2388019]


@pytest.mark.parametrize(
    "body",
    [{"id": "404", "pause": True}, {"id": "1"}, {"id": "1", "pause": True, "unpause": True}],
)
def test_control_refuses_what_can_not_happen(sandbox: RunningSandbox, body: Json) -> None:
    assert sandbox.client.post("/sandbox/templates", json=body).status_code == 422
