"""One plausible inbound message of every type that Meta's webhooks know (2026)."""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from sandbox.world import Media, World

Json = dict[str, object]
PNG: Final = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010806000000"
    "1f15c4890000000d49444154789c6360606060000000050001a5f645400000000049454e44ae426082"
)
_MIME: Final = {
    "image": "image/png",
    "video": "video/mp4",
    "audio": "audio/ogg; codecs=opus",
    "document": "application/pdf",
    "sticker": "image/webp",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """A message: its type, the object under that name, and other keys of it."""

    type: str
    content: object = None
    extra: Mapping[str, object] = field(default_factory=dict)
    opens_window: bool = True


def sample_message(world: World, kind: str, now_ms: int, base_url: str) -> Sample | None:
    """The sample called `kind`, or None; media ones can be downloaded from the sandbox."""
    if kind in _MIME:
        return _media(world, kind, now_ms, base_url)
    maker = _SAMPLES.get(kind)
    return maker() if maker is not None else None


def sample_names() -> list[str]:
    """Every kind of sample."""
    return sorted({*_MIME, *_SAMPLES})


def _media(world: World, kind: str, now_ms: int, base_url: str) -> Sample:
    digest = hashlib.sha256(PNG).hexdigest()
    media_id = f"4{len(world.media):05d}{now_ms % 10**9:09d}"
    world.media[media_id] = Media(
        id=media_id, mime_type=_MIME[kind], sha256=digest, content=PNG, uploaded_ms=now_ms
    )
    content: Json = {"mime_type": _MIME[kind], "sha256": digest, "id": media_id}
    content["url"] = f"{base_url}/sandbox/media/{media_id}?until={now_ms + 300_000}"
    if kind == "audio":
        content["voice"] = True
    elif kind == "document":
        content |= {"filename": "nota-fiscal.pdf", "caption": "Segue a nota"}
    elif kind == "sticker":
        content["animated"] = False
    else:
        content["caption"] = "Olá, é este? 🌟"
    return Sample(type=kind, content=content)


def _interactive(kind: str, content: Json) -> Callable[[], Sample]:
    return lambda: Sample(type="interactive", content={"type": kind, kind: content})


def _plain(kind: str, content: object, **extra: object) -> Callable[[], Sample]:
    return lambda: Sample(type=kind, content=content, extra=extra)


def _system(kind: str, **facts: object) -> Callable[[], Sample]:
    content: Json = {"body": f"System event {kind}", "type": kind, **facts}
    return lambda: Sample(type="system", content=content, opens_window=False)


_REFERRAL: Final[Json] = {
    "source_url": "https://fb.me/spring",
    "source_id": "120210000000000001",
    "source_type": "ad",
    "headline": "Só hoje: 20% de desconto",
    "body": "Fale com a loja",
    "media_type": "image",
    "image_url": "https://store.example/ad.png",
    "ctwa_clid": "ARAkLkA8rmlFeiCktEJQ",
    "welcome_message": {"text": "Olá! Como podemos ajudar?"},
}
_ORDER: Final[Json] = {
    "catalog_id": "1000000001",
    "text": "Por favor, sem cebola",
    "product_items": [
        {"product_retailer_id": "sku-1", "quantity": 2, "item_price": 9.9, "currency": "BRL"}
    ],
}
_UNSUPPORTED: Final[Json] = {
    "code": 131051,
    "title": "Message type unknown",
    "message": "Message type unknown",
    "error_data": {"details": "Message type is currently not supported."},
}
_CONTACTS: Final = [
    {
        "name": {"formatted_name": "Zoë Núñez", "first_name": "Zoë"},
        "phones": [{"phone": "+55 11 95555-0177", "wa_id": "5511955550177", "type": "CELL"}],
    }
]
_SAMPLES: Final[Mapping[str, Callable[[], Sample]]] = {
    "text": _plain("text", {"body": "Olá, tudo bem?"}),
    "stop": _plain("text", {"body": "PARAR"}),
    "referral": _plain("text", {"body": "Quero a oferta"}, referral=_REFERRAL),
    "forwarded": _plain("text", {"body": "Veja isto"}, context={"frequently_forwarded": True}),
    "location": _plain(
        "location", {"latitude": -23.55, "longitude": -46.63, "name": "Sé", "address": "São Paulo"}
    ),
    "contacts": _plain("contacts", _CONTACTS),
    "reaction": _plain("reaction", {"message_id": "wamid.unknown", "emoji": "👍"}),
    "reaction_removed": _plain("reaction", {"message_id": "wamid.unknown"}),
    "button": _plain("button", {"payload": "stop-promotions", "text": "Parar promoções"}),
    "button_reply": _interactive("button_reply", {"id": "yes", "title": "Sim"}),
    "list_reply": _interactive(
        "list_reply", {"id": "row-1", "title": "Amanhã", "description": "Das 8 às 12"}
    ),
    "nfm_reply": _interactive(
        "nfm_reply",
        {"name": "flow", "body": "Sent", "response_json": json.dumps({"screen": "OK"})},
    ),
    "call_permission_reply": _interactive(
        "call_permission_reply", {"response": "accept", "is_permanent": False}
    ),
    "order": _plain("order", _ORDER),
    "edit": _plain("edit", {"original_message_id": "wamid.unknown", "message": {"type": "text"}}),
    "revoke": _plain("revoke", {"original_message_id": "wamid.unknown"}),
    "unsupported": _plain("unsupported", {"type": "unknown"}, errors=[_UNSUPPORTED]),
    "request_welcome": _plain("request_welcome", None),
    "user_changed_number": _system("user_changed_number", wa_id="5511955550188"),
    "customer_identity_changed": _system("customer_identity_changed", identity="new"),
    "user_changed_user_id": _system("user_changed_user_id", user_id="BR.00000000000000000042"),
}
