"""Templates: which values they take, and the payload made of them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.domain.template import (
    missing_parameters,
    parse_components,
    render_body,
    required_parameters,
    send_components,
    version_hash,
)
from core.errors import InvalidInput

POSITIONAL = [
    {"type": "HEADER", "format": "TEXT", "text": "Olá {{1}}"},
    {"type": "BODY", "text": "Pedido {{2}} de {{1}}, {{1}}!", "example": {"body_text": [["a"]]}},
    {"type": "FOOTER", "text": "PARE para sair"},
    {
        "type": "BUTTONS",
        "buttons": [
            {"type": "QUICK_REPLY", "text": "Sair"},
            {"type": "URL", "text": "Ver", "url": "https://x.example/{{1}}"},
            {"type": "URL", "text": "Site", "url": "https://x.example/"},
            {"type": "COPY_CODE", "example": "X"},
        ],
    },
]
VALUES = {"header.1": "Ana", "1": "Ana", "2": "77", "button.1": "77", "button.3": "DEZ"}


def test_positional_values_are_listed_by_place() -> None:
    shape = parse_components(POSITIONAL)
    assert required_parameters(shape) == ("header.1", "1", "2", "button.1", "button.3")
    assert not shape.named


def test_the_payload_of_a_positional_template_is_as_documented() -> None:
    assert send_components(parse_components(POSITIONAL), VALUES) == [
        {"type": "header", "parameters": [{"type": "text", "text": "Ana"}]},
        {
            "type": "body",
            "parameters": [{"type": "text", "text": "Ana"}, {"type": "text", "text": "77"}],
        },
        {
            "type": "button",
            "sub_type": "url",
            "index": "1",
            "parameters": [{"type": "text", "text": "77"}],
        },
        {
            "type": "button",
            "sub_type": "copy_code",
            "index": "3",
            "parameters": [{"type": "coupon_code", "coupon_code": "DEZ"}],
        },
    ]


def test_named_values_carry_their_names_and_a_header_may_share_the_body_s() -> None:
    shape = parse_components(
        [
            {"type": "header", "format": "text", "text": "{{first_name}}"},
            {"type": "body", "text": "{{first_name}} {{order}}"},
        ]
    )
    assert shape.named
    values = {"first_name": "Ana", "order": "7"}
    assert missing_parameters(shape, values) == ()
    header, body = send_components(shape, values)
    named = {"type": "text", "parameter_name": "first_name", "text": "Ana"}
    assert header["parameters"] == [named]
    assert body["parameters"] == [named, {"type": "text", "parameter_name": "order", "text": "7"}]


@pytest.mark.parametrize(
    ("reference", "source"), [("https://x.example/a.png", "link"), ("1166846181421424", "id")]
)
def test_a_header_file_is_a_link_or_an_id(reference: str, source: str) -> None:
    shape = parse_components([{"type": "HEADER", "format": "IMAGE"}, {"type": "BODY", "text": "a"}])
    assert missing_parameters(shape, {}) == ("header",)
    assert send_components(shape, {"header": reference}) == [
        {"type": "header", "parameters": [{"type": "image", "image": {source: reference}}]}
    ]


def test_the_button_of_a_one_time_code_repeats_the_code() -> None:
    url = "https://www.whatsapp.com/otp/code/?otp_type=COPY_CODE&code=otp{{1}}"
    for button in ({"type": "OTP", "otp_type": "COPY_CODE"}, {"type": "URL", "url": url}):
        shape = parse_components(
            [{"type": "BODY", "text": "{{1}}"}, {"type": "BUTTONS", "buttons": [button]}]
        )
        components = send_components(shape, {"1": "123456"})
        assert components[1]["parameters"] == [{"type": "text", "text": "123456"}]


@pytest.mark.parametrize("blank", ["", "  ", "\n\t"])
def test_a_blank_value_is_missing(blank: str) -> None:
    shape = parse_components(POSITIONAL)
    assert missing_parameters(shape, {**VALUES, "2": blank}) == ("2",)
    with pytest.raises(InvalidInput):
        send_components(shape, {**VALUES, "2": blank})
    with pytest.raises(InvalidInput):
        render_body(shape, {**VALUES, "2": blank})


def test_line_breaks_in_a_value_become_blanks() -> None:
    shape = parse_components([{"type": "BODY", "text": "<{{1}}>"}])
    assert render_body(shape, {"1": " a\n\tb     c "}) == "<a b c>"


def test_a_value_that_looks_like_a_placeholder_stays_text() -> None:
    shape = parse_components([{"type": "BODY", "text": "{{1}} {{2}}"}])
    assert render_body(shape, {"1": "{{2}}", "2": r"\1"}) == r"{{2}} \1"


@pytest.mark.parametrize("bad", [None, "x", {}, [], [{"type": "HEADER"}], [1, None]])
def test_what_is_no_component_list_is_refused(bad: object) -> None:
    with pytest.raises(InvalidInput):
        parse_components(bad)


@pytest.mark.parametrize(
    ("component", "name"),
    [
        ({"type": "CAROUSEL", "cards": []}, "carousel"),
        ({"type": "HEADER", "format": "PRODUCT"}, "header.product"),
        ({"type": "BUTTONS", "buttons": [{"type": "MPM"}]}, "button.mpm"),
    ],
)
def test_parts_we_cannot_fill_are_named_and_never_sent(
    component: dict[str, object], name: str
) -> None:
    shape = parse_components([{"type": "BODY", "text": "a"}, component])
    assert shape.unsupported == (name,)
    with pytest.raises(InvalidInput):
        send_components(shape, {})


def test_the_hash_ignores_key_order_and_examples_and_nothing_else() -> None:
    first = [{"type": "BODY", "text": "a", "example": {"header_handle": ["https://cdn/1"]}}]
    second = [{"text": "a", "type": "BODY", "example": {"header_handle": ["https://cdn/2"]}}]
    assert version_hash(first) == version_hash(second)
    assert version_hash(first) != version_hash([{"type": "BODY", "text": "b"}])


@given(st.lists(st.sampled_from(["{{1}}", "{{2}}", "{{3}}", "x", " "]), min_size=1, max_size=8))
def test_a_body_with_all_its_values_has_no_placeholder_left(pieces: list[str]) -> None:
    shape = parse_components([{"type": "BODY", "text": "".join(pieces)}])
    values = {name: f"v{name}" for name in shape.body_parameters}
    assert "{{" not in render_body(shape, values)
    assert len(send_components(shape, values)) == (1 if values else 0)
