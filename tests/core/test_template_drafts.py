"""What Meta would refuse of a template is found before it is handed in."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.domain.template import fill, parse_components, placeholders
from core.domain.template_drafts import faults_of
from core.domain.template_preview import preview

Part = dict[str, Any]
GOOD: Part = {"type": "BODY", "text": "Hello, your parcel is there."}


def codes(*parts: Part, category: str = "utility", **changes: Any) -> set[str]:
    whole: dict[str, Any] = {"name": "offer", "language": "pt_BR", "category": category} | changes
    return {fault.code for fault in faults_of(components=list(parts), **whole)}


def button(**members: Any) -> Part:
    return {"type": "BUTTONS", "buttons": [{"text": "Go"} | members]}


OTP = button(type="OTP", otp_type="COPY_CODE")


@pytest.mark.parametrize(
    ("parts", "code"),
    [
        ([], "no-body"),
        ([GOOD, GOOD], "repeated-component"),
        ([GOOD | {"text": "x" * 1025}], "too-long"),
        ([GOOD | {"text": " "}], "no-text"),
        ([GOOD | {"text": "Hello {{1} you"}], "broken-variable"),
        ([GOOD | {"text": "Hello {{ }} you"}], "broken-variable"),
        ([GOOD | {"text": "Hello {{2}} you there, how are you"}], "variable-numbers"),
        ([GOOD | {"text": "Hello {{1}} and {{name}} are you well"}], "variable-numbers"),
        ([GOOD | {"text": "Hello {{Name}} you are well"}], "variable-names"),
        ([GOOD | {"text": "{{1}} you are well"}], "variable-at-an-end"),
        ([GOOD | {"text": "You are well, {{1}}."}], "variable-at-an-end"),
        ([GOOD | {"text": "Hi {{1}} {{2}} {{3}} you"}], "too-many-variables"),
        ([GOOD | {"text": "Hello {{1}}, you are well"}], "no-example"),
        ([GOOD, {"type": "HEADER", "text": "x" * 61}], "too-long"),
        ([GOOD, {"type": "HEADER", "text": "{{1}} and {{2}}"}], "too-many-variables"),
        ([GOOD, {"type": "HEADER", "format": "IMAGE"}], "no-example"),
        ([GOOD, {"type": "HEADER", "format": "LOCATION", "text": "x"}], "header-text"),
        ([GOOD, {"type": "FOOTER", "text": "x" * 61}], "too-long"),
        ([GOOD, {"type": "FOOTER", "text": "for {{1}}"}], "too-many-variables"),
        ([GOOD, button(type="URL", url="ftp://a.b")], "not-a-link"),
        ([GOOD, button(type="URL", url="https://a.b/{{1}}/c", example=["x"])], "variable-in-link"),
        ([GOOD, button(type="URL", url="https://a.b/{{1}}")], "no-example"),
        ([GOOD, button(type="URL", url="https://a.b/c", text="x" * 26)], "too-long"),
        ([GOOD, button(type="PHONE_NUMBER", phone_number="call")], "phone-number"),
        ([GOOD, button(type="COPY_CODE")], "no-example"),
        ([GOOD, button(type="COPY_CODE", example=["x" * 21])], "too-long"),
        ([GOOD, OTP], "one-time-code"),
        ([GOOD, {"type": "BUTTONS", "buttons": []}], "how-many-buttons"),
    ],
)
def test_each_rule_of_metas_finds_what_breaks_it(parts: list[Part], code: str) -> None:
    assert code in codes(*parts)


def test_quick_replies_stand_together() -> None:
    kinds = ["QUICK_REPLY", "PHONE_NUMBER", "QUICK_REPLY"]
    listed = [{"type": kind, "text": "Go", "phone_number": "+5511999990000"} for kind in kinds]
    assert codes(GOOD, {"type": "BUTTONS", "buttons": listed}) == {"mixed-buttons"}
    listed.sort(key=lambda each: each["type"])
    assert codes(GOOD, {"type": "BUTTONS", "buttons": listed}) == set()


def test_variables_are_all_numbered_or_all_named() -> None:
    header = {"type": "HEADER", "text": "Hi {{1}}", "example": {"header_text": ["Ana"]}}
    named = {"body_text_named_params": [{"param_name": "shop", "example": "Pinheiros"}]}
    body = {"type": "BODY", "text": "It is at {{shop}} for you.", "example": named}
    assert codes(body) == set()
    assert codes(header, body) == {"mixed-variables"}


def test_meta_writes_the_text_of_one_time_codes() -> None:
    assert codes({"type": "BODY"}, OTP, category="authentication") == set()
    assert codes(GOOD, OTP, category="authentication") == {"fixed-text"}
    assert "one-time-code" in codes({"type": "BODY"}, category="authentication")


@pytest.mark.parametrize(
    ("category", "seconds", "fits"),
    [
        ("authentication", 30, True),
        ("authentication", 901, False),
        ("utility", 43_200, True),
        ("utility", -1, True),
        ("marketing", 43_199, False),
        ("marketing", -1, False),
    ],
)
def test_each_category_has_its_time_to_live(category: str, seconds: int, fits: bool) -> None:
    parts = [{"type": "BODY"}, OTP] if category == "authentication" else [GOOD]
    found = codes(*parts, category=category, ttl_seconds=seconds)
    assert (found == set()) is fits


WORDS = st.text(alphabet="abc çã,.!", min_size=1, max_size=30).filter(str.strip)


@given(count=st.integers(0, 8), words=st.lists(WORDS, min_size=9, max_size=9), data=st.data())
def test_a_template_without_faults_can_be_read_and_filled(
    count: int, words: list[str], data: st.DataObject
) -> None:
    """Whatever Meta would take has the variables that it says, and a value fills each once."""
    text = "start of it " + "".join(f"{words[n]} {{{{{n + 1}}}}} and so on " for n in range(count))
    part: Part = {"type": "BODY", "text": f"{text} end of it."}
    if count:
        part["example"] = {"body_text": [[f"example {n}" for n in range(count)]]}
    assert codes(part) <= {"too-long"}
    shape = parse_components([part])
    assert shape.body_parameters == tuple(str(n + 1) for n in range(count))
    values = {name: data.draw(st.text(alphabet="xyz{}1 ", max_size=9)) for name in "12345678"}
    shown = preview([part], values, category="utility")
    given_names = [name for name in shape.body_parameters if values[name].split()]
    assert shown.missing == tuple(n for n in shape.body_parameters if n not in given_names)
    for name in given_names:
        assert " ".join(values[name].split()) in shown.body


@given(st.text(max_size=200))
def test_a_text_without_values_stays_as_it_is(text: str) -> None:
    assert fill(text, {}) == text
    assert len(set(placeholders(text))) == len(placeholders(text))


@given(
    st.lists(
        st.dictionaries(
            st.sampled_from(["type", "text", "format", "buttons", "example"]),
            st.one_of(
                st.sampled_from(["BODY", "HEADER", "FOOTER", "BUTTONS", "{{1}}"]),
                st.text(max_size=9),
                st.none(),
                st.integers(),
                st.lists(st.none() | st.text(max_size=3), max_size=3),
            ),
        )
    )
)
def test_whatever_is_said_to_be_a_template_is_judged_without_a_crash(parts: list[Part]) -> None:
    for category in ("marketing", "authentication"):
        assert codes(*parts, category=category) is not None
