"""What a send request says, checked like Meta checks it before anything is accepted."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import orjson

from sandbox.errors import GraphError
from sandbox.phones import country_of, read_recipient, wa_id_of
from sandbox.templates import Template
from sandbox.world import Number, World

Json = Mapping[str, object]
OPAQUE_LIMIT: Final = 512
_TEXT_LIMIT: Final = 4096
_CAPTION_LIMIT: Final = 1024
_MEDIA: Final = frozenset({"image", "video", "audio", "document", "sticker"})
_WITHOUT_CAPTION: Final = frozenset({"audio", "sticker"})
_OTHER: Final = frozenset({"contacts", "location", "reaction"})
_INTERACTIVE: Final = frozenset(
    {
        "address_message",
        "button",
        "call_permission_request",
        "carousel",
        "catalog_message",
        "contact_request",
        "cta_url",
        "flow",
        "list",
        "location_request_message",
        "order_details",
        "order_status",
        "product",
        "product_list",
    }
)
_TYPES: Final = _MEDIA | _OTHER | {"text", "template", "interactive"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Send:
    """A valid send: to whom, what, and what comes back in its statuses."""

    input: str
    digits: str
    wa_id: str
    country: str
    to_bsuid: str | None
    type: str
    template: Template | None
    opaque: str | None
    content: int


def parse_body(body: bytes) -> dict[str, object]:
    """The JSON object of a request; raises 100 when it isn't one."""
    try:
        parsed = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise GraphError(100, title="Invalid parameter", details="Body is not JSON") from error
    if not isinstance(parsed, dict):
        raise GraphError(100, title="Invalid parameter", details="Body is not a JSON object")
    return parsed


def read_send(world: World, number: Number, body: dict[str, object]) -> Send:
    """Check a request to send and say what it means; raises GraphError with Meta's code."""
    if "messaging_product" not in body:
        raise _required("messaging_product")
    if body["messaging_product"] != "whatsapp":
        raise GraphError(100, title="Param messaging_product must be one of {WHATSAPP}")
    kind = body.get("type") or "text"
    if kind not in _TYPES or not isinstance(kind, str):
        names = ", ".join(sorted(_TYPES)).upper()
        raise GraphError(100, title=f"Param type must be one of {{{names}}} - got {kind!s:.40}.")
    opaque = body.get("biz_opaque_callback_data")
    if opaque is not None and (not isinstance(opaque, str) or len(opaque) > OPAQUE_LIMIT):
        raise GraphError(
            100, title="Param biz_opaque_callback_data must be at most 512 characters long."
        )
    content = body.get(kind)
    if content is None or not isinstance(content, dict | list):
        raise GraphError(131008, f"Parameter {kind} is missing or not an object")
    template = _check_content(world, number, kind, content)
    recipient, digits, bsuid = _recipient(world, number, body)
    wa_id = wa_id_of(digits)
    return Send(
        input=recipient,
        digits=digits,
        wa_id=wa_id,
        country=bsuid[:2] if bsuid else country_of(digits),
        to_bsuid=bsuid,
        type=kind,
        template=template,
        opaque=opaque,
        content=_fingerprint(content),
    )


def _fingerprint(content: object) -> int:
    canonical = orjson.dumps(content, option=orjson.OPT_SORT_KEYS)
    return int.from_bytes(hashlib.blake2b(canonical, digest_size=7).digest())


def _recipient(
    world: World, number: Number, body: dict[str, object]
) -> tuple[str, str, str | None]:
    to, bsuid = body.get("to"), body.get("recipient")
    if body.get("recipient_type") == "group":
        raise GraphError(131051, "The sandbox has no groups")
    if not to and isinstance(bsuid, str) and bsuid:
        digits = world.wa_id_of_bsuid(number.waba.config.portfolio_id, bsuid)
        if digits is None:
            raise GraphError(131026, "No user has this business-scoped user id")
        return bsuid, digits, bsuid
    if not to:
        raise _required("to")
    read = read_recipient(
        str(to),
        business_digits=number.digits,
        prepend_country_code=world.config.limits.prepend_country_code,
    )
    if read is None:
        raise GraphError(131009, "Parameter to is not a valid phone number")
    if read == number.digits:
        raise GraphError(131021)
    allowed = number.config.allowed_recipients
    if allowed is not None and read not in {"".join(filter(str.isdigit, a)) for a in allowed}:
        raise GraphError(131030)
    return str(to), read, None


def _check_content(
    world: World, number: Number, kind: str, content: dict[str, object] | list[object]
) -> Template | None:
    if isinstance(content, list):
        if kind != "contacts" or not content:
            raise GraphError(131008, f"Parameter {kind} must not be a list, contacts not empty")
        return None
    if kind == "contacts":
        raise GraphError(100, title="Param contacts must be an array.")
    if kind == "template":
        return _check_template(number, content)
    if kind == "text":
        _check_text(content)
    elif kind in _MEDIA:
        _check_media(world, kind, content)
    elif kind == "interactive":
        _check_interactive(content)
    else:
        _check_parts(kind, content)
    return None


def _check_parts(kind: str, content: dict[str, object]) -> None:
    needed = {"latitude", "longitude"} if kind == "location" else {"message_id"}
    if not needed <= content.keys():
        raise GraphError(131008, f"{kind}: needs {' and '.join(sorted(needed))}")


def _check_template(number: Number, content: dict[str, object]) -> Template:
    name, language = content.get("name"), content.get("language")
    if not isinstance(name, str) or not name:
        raise _required("template['name']")
    code = language.get("code") if isinstance(language, dict) else None
    if not isinstance(code, str) or not code:
        raise _required("template['language']['code']")
    template = number.waba.templates.get((name, code))
    if template is None:
        raise GraphError(132001, f"template name ({name}) does not exist in {code}")
    template.check_status()
    components = content.get("components") or []
    if not isinstance(components, list) or not all(isinstance(c, dict) for c in components):
        raise GraphError(100, title="Param template['components'] must be an array.")
    template.check_components(components)
    return template


def _check_text(content: dict[str, object]) -> None:
    text = content.get("body")
    if not isinstance(text, str) or not text:
        raise GraphError(131008, "text: The parameter text['body'] is required.")
    if len(text) > _TEXT_LIMIT:
        raise GraphError(
            100, title=f"Param text['body'] must be at most {_TEXT_LIMIT} characters long."
        )


def _check_media(world: World, kind: str, content: dict[str, object]) -> None:
    media_id, link = content.get("id"), content.get("link")
    if bool(media_id) == bool(link):
        raise GraphError(131008, f"{kind}: give either id or link")
    if link and not str(link).startswith(("http://", "https://")):
        raise GraphError(131009, f"{kind}: link is not a valid URL")
    if media_id and str(media_id) not in world.media:
        raise GraphError(131009, f"{kind}: Media ID is not valid")
    caption = content.get("caption")
    if caption is None:
        return
    if kind in _WITHOUT_CAPTION:
        raise GraphError(100, title=f"Unexpected key 'caption' on param '{kind}'.")
    if len(str(caption)) > _CAPTION_LIMIT:
        raise GraphError(131009, f"{kind}: caption is longer than {_CAPTION_LIMIT} characters")


def _check_interactive(content: dict[str, object]) -> None:
    kind = content.get("type")
    if kind not in _INTERACTIVE:
        raise GraphError(131009, f"interactive: type {kind!s:.40} is not valid")
    action = content.get("action")
    if isinstance(action, str):
        action = parse_body(action.encode())  # some clients send it as a JSON string
    if not isinstance(action, dict):
        raise GraphError(131008, "interactive: action is required")
    body = content.get("body")
    text = body.get("text") if isinstance(body, dict) else None
    if kind in {"button", "list", "cta_url", "flow"} and not text:
        raise GraphError(131008, "interactive: body text is required")
    if isinstance(text, str) and len(text) > (_TEXT_LIMIT if kind == "list" else _CAPTION_LIMIT):
        raise GraphError(131009, "interactive: body text is too long")
    if kind == "button":
        _check_reply_buttons(action.get("buttons"))
    elif kind == "list" and not action.get("sections"):
        raise GraphError(131008, "interactive: action needs sections")


def _check_reply_buttons(buttons: object) -> None:
    if not isinstance(buttons, list) or not 1 <= len(buttons) <= 3:
        raise GraphError(131009, "Invalid buttons count. Min allowed buttons: 1, Max: 3")
    titles = []
    for button in buttons:
        reply = button.get("reply") if isinstance(button, dict) else None
        title = str(reply.get("title", "")) if isinstance(reply, dict) else ""
        if not 1 <= len(title) <= 20:
            raise GraphError(131009, "Button title length invalid. Min length: 1, Max length: 20")
        titles.append(title)
    if len(set(titles)) != len(titles):
        raise GraphError(131009, "Button titles must be different")


def _required(name: str) -> GraphError:
    return GraphError(100, title=f"The parameter {name} is required.")
