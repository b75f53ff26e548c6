"""Words by which people withdraw: read from a whole message, never from a part of it."""

import unicodedata
from typing import Final

STOP_WORDS: Final = frozenset(
    {
        # Portuguese; then English; Spanish; Hindi in Latin and in Devanagari letters.
        *("pare", "parar", "sair", "cancelar", "descadastrar", "remover"),
        *("stop", "unsubscribe", "stop all", "stopall", "opt out", "optout", "cancel"),
        *("baja", "alto", "salir", "cancelar suscripcion"),
        *("band karo", "\u092c\u0902\u0926 \u0915\u0930\u094b"),
    }
)
_MAX_LENGTH: Final = 40


def stop_word(text: str) -> str | None:
    """The stop word that a message consists of, or None.

    The whole message counts, without case, accents and surrounding punctuation: "Pare!" withdraws,
    "please don't stop" does not.
    """
    if len(text) > _MAX_LENGTH:
        return None
    folded = " ".join(_fold(text).split())
    return folded if folded in STOP_WORDS else None


def _fold(text: str) -> str:
    decomposed = unicodedata.normalize("NFKD", text.casefold())
    return "".join(_kept(character) for character in decomposed)


def _kept(character: str) -> str:
    category = unicodedata.category(character)
    if "\u0300" <= character <= "\u036f":
        return ""
    return " " if category[0] in "PZSC" else character
