"""Words of withdrawal and agreement: whole messages in any dress, never a part of a sentence."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.domain.consent import (
    OPT_IN_WORDS,
    OPT_OUT_WORDS,
    START_WORDS,
    STOP_WORDS,
    ConsentAction,
    Keywords,
    find_keyword,
    fold_keyword,
)

OUT, IN = ConsentAction.OPT_OUT, ConsentAction.OPT_IN
ALL_WORDS = sorted(STOP_WORDS | START_WORDS)
DRESSES = [
    "{}",
    " {} ",
    "{}!",
    "\u00ab{}\u00bb",
    "*{}*",
    "{} \u2764\ufe0f",
    "\U0001f64f\U0001f3fd{}",
    "{}\u200d",
    "\u200f{}.",
    "\n{}\n",
]


def action_of(text: str, keywords: Keywords | None = None) -> ConsentAction | None:
    found = find_keyword(text, None, keywords) if keywords else find_keyword(text, None)
    return found.action if found else None


@pytest.mark.parametrize("word", ALL_WORDS)
def test_every_word_is_found_in_any_case_width_and_decoration(word: str) -> None:
    expected = OUT if word in STOP_WORDS else IN
    wide = "".join(chr(ord(c) + 0xFEE0) if "!" <= c <= "~" else c for c in word)
    for shape in (word, word.upper(), word.title(), wide):
        for dress in DRESSES:
            assert action_of(dress.format(shape)) is expected, (dress, shape)


@pytest.mark.parametrize(
    ("text", "action"),
    [
        ("P\u00c1RE", OUT),
        ("N\u00e3o quero mais receber!", OUT),
        ("Cancelar Inscri\u00e7\u00e3o", OUT),
        ("cancelar suscripci\u00f3n", OUT),
        ("Quero.", IN),
        ("please don't stop", None),
        ("don't stop sending", None),
        ("quero parar para pensar e depois quero comprar", None),
        ("pare de me mandar o link errado, mande o certo", None),
        ("stop the order 1042", None),
        ("s t o p", None),
        ("stopp", None),
        ("", None),
        ("!!!", None),
        ("stop" + " " * 60, None),
    ],
)
def test_only_the_whole_message_counts(text: str, action: ConsentAction | None) -> None:
    assert action_of(text) is action


@given(st.sampled_from(ALL_WORDS), st.sampled_from(["ok", "please", "mande", "agora"]))
def test_a_word_inside_a_sentence_says_nothing(word: str, other: str) -> None:
    for text in (f"{word} {other}", f"{other} {word}", f"{other}, {word}!"):
        assert action_of(text) is None


def test_no_word_withdraws_and_agrees() -> None:
    assert not STOP_WORDS & START_WORDS
    assert set(OPT_OUT_WORDS) == set(OPT_IN_WORDS)
    assert all(fold_keyword(word) == word for word in ALL_WORDS)


def test_a_tenant_s_word_counts_and_outweighs_ours() -> None:
    ours = Keywords(words={"chega": OUT, "quero": OUT}, buttons={})
    assert action_of("Chega!") is None
    assert action_of("Chega!", ours) is OUT
    assert action_of("QUERO", ours) is OUT


def test_a_configured_button_counts_by_its_payload_only() -> None:
    buttons = Keywords(words={}, buttons={"optout:1": OUT, "optin:1": IN})
    found = find_keyword("Tudo bem", "optout:1", buttons)
    assert found is not None
    assert (found.action, found.source) == (OUT, "button")
    assert find_keyword("Tudo bem", "OPTOUT:1", buttons) is None
    assert find_keyword("Sair", "something else", buttons) is not None


@given(st.text(max_size=60))
def test_any_text_is_read_without_an_error(text: str) -> None:
    find_keyword(text, None)
