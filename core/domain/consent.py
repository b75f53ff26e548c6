"""Words by which people withdraw and agree: read from a whole message, never from a part of it."""

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Final

OPT_OUT_WORDS: Final[Mapping[str, frozenset[str]]] = MappingProxyType(
    {
        "pt": frozenset(
            {
                *("pare", "parar", "para", "sair", "cancelar", "descadastrar", "descadastre"),
                *("remover", "remova", "cancelar inscricao", "cancelar assinatura"),
                *("parar mensagens", "parar promocoes", "nao quero", "nao quero mais"),
                *("nao quero receber", "nao quero mais receber"),
            }
        ),
        "en": frozenset(
            {
                *("stop", "unsubscribe", "stop all", "stopall", "opt out", "optout", "cancel"),
                *("stop promotions", "quit", "end", "remove me"),
            }
        ),
        "es": frozenset(
            {
                *("baja", "alto", "salir", "cancelar suscripcion", "darme de baja"),
                *("dar de baja", "detener", "no quiero"),
            }
        ),
        "hi": frozenset({"band karo", "\u092c\u0902\u0926 \u0915\u0930\u094b"}),
    }
)
OPT_IN_WORDS: Final[Mapping[str, frozenset[str]]] = MappingProxyType(
    {
        "pt": frozenset(
            {
                *("voltar", "quero", "quero receber", "quero voltar", "inscrever"),
                *("assinar", "receber", "receber promocoes"),
            }
        ),
        "en": frozenset({"start", "unstop", "subscribe", "opt in", "optin", "resume"}),
        "es": frozenset({"alta", "quiero recibir", "suscribir", "suscribirme", "volver"}),
        "hi": frozenset({"shuru karo", "\u0936\u0941\u0930\u0942 \u0915\u0930\u094b"}),
    }
)
STOP_WORDS: Final = frozenset().union(*OPT_OUT_WORDS.values())
START_WORDS: Final = frozenset().union(*OPT_IN_WORDS.values())
MAX_KEYWORD_LENGTH: Final = 40

# Marks that change the look of a character and not the word: accents, the emoji selector, keycaps.
_INVISIBLE: Final = (("\u0300", "\u036f"), ("\ufe00", "\ufe0f"), ("\u20d0", "\u20f0"))


class ConsentAction(StrEnum):
    """What a word or a button says about marketing."""

    OPT_OUT = "opt_out"
    OPT_IN = "opt_in"


@dataclass(frozen=True, slots=True, kw_only=True)
class Keywords:
    """A tenant's additions: folded words and button payloads; they outweigh our own lists."""

    words: Mapping[str, ConsentAction]
    buttons: Mapping[str, ConsentAction]


@dataclass(frozen=True, slots=True, kw_only=True)
class KeywordFound:
    """What was said, and by which word; a button is named by nothing, its payload is the tenant's.

    `keyword` is of our list or the tenant's, never free text of a person.
    """

    action: ConsentAction
    source: str
    keyword: str


NO_ADDITIONS: Final = Keywords(words={}, buttons={})
OPT_OUT_ANSWERS: Final[Mapping[str, str]] = {
    "pt": (
        "Pronto: você não vai mais receber as nossas promoções por aqui. Mudou de ideia? "
        "Responda QUERO."
    ),
    "en": "Done: you will get no more offers from us here. Changed your mind? Reply START.",
}
"""What we propose as the answer to somebody who withdraws, by language; a tenant turns it on."""


def find_keyword(
    text: str | None, button_payload: str | None, keywords: Keywords = NO_ADDITIONS
) -> KeywordFound | None:
    """What a message says about consent, when it says nothing else.

    A button's payload counts when the tenant configured it. A word counts when it is the whole
    message, whatever its case, accents, width and decoration: "Pare!!" withdraws, "please
    don't stop" does not.
    """
    if button_payload is not None and button_payload in keywords.buttons:
        action = keywords.buttons[button_payload]
        return KeywordFound(action=action, source="button", keyword=button_payload)
    word = fold_keyword(text or "")
    if not word:
        return None
    action_of_word = keywords.words.get(word) or _built_in(word)
    if action_of_word is None:
        return None
    return KeywordFound(action=action_of_word, source="word", keyword=word)


def stop_word(text: str) -> str | None:
    """The stop word of our own list that a message consists of, or None."""
    word = fold_keyword(text)
    return word if word in STOP_WORDS else None


def fold_keyword(text: str) -> str:
    """A word as it is compared; empty when the text is too long to be one, or has no letters."""
    if len(text) > MAX_KEYWORD_LENGTH:
        return ""
    return " ".join(_fold(text).split())


def _built_in(word: str) -> ConsentAction | None:
    if word in STOP_WORDS:
        return ConsentAction.OPT_OUT
    return ConsentAction.OPT_IN if word in START_WORDS else None


def _fold(text: str) -> str:
    decomposed = unicodedata.normalize("NFKD", text).casefold()
    return "".join(_kept(character) for character in unicodedata.normalize("NFKD", decomposed))


def _kept(character: str) -> str:
    if any(first <= character <= last for first, last in _INVISIBLE):
        return ""
    category = unicodedata.category(character)
    if category == "Cf":  # a joiner between emoji, a soft hyphen inside a word
        return ""
    return " " if category[0] in "PZSC" else character
