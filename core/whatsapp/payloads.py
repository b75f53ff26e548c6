"""The bodies of sends: what goes to POST /{phone_number_id}/messages.

Source: Meta, send messages and OpenAPI business-messaging v23, as read on 2026-09-11.
"""

from collections.abc import Mapping, Sequence
from typing import Final

from core.errors import InvalidInput

MAX_CALLBACK_LENGTH: Final = 512
MAX_TEXT_LENGTH: Final = 4096

Payload = dict[str, object]


def template_message(
    *, name: str, language: str, components: Sequence[Mapping[str, object]]
) -> Payload:
    """A template's message object, without recipient; `components` from `send_components`."""
    template: Payload = {"name": name, "language": {"code": language}}
    if components:
        template["components"] = [dict(component) for component in components]
    return {"type": "template", "template": template}


def text_message(body: str, *, preview_url: bool = False) -> Payload:
    """A text's message object, without recipient. Raises InvalidInput beyond 4,096 characters."""
    if not 0 < len(body) <= MAX_TEXT_LENGTH:
        raise InvalidInput(f"a text has 1 to {MAX_TEXT_LENGTH} characters", pointer="/text/body")
    return {"type": "text", "text": {"body": body, "preview_url": preview_url}}


def addressed(message: Mapping[str, object], *, to: str, callback_token: str) -> Payload:
    """A message object addressed to one person, ready to be sent.

    `to` is E.164 with `+` (without it Meta puts the sender's country code in front and a stranger
    gets it), or a business-scoped user id such as US.13491208655302741918. The token comes back in
    every status. Raises InvalidInput for any other address.
    """
    if len(callback_token) > MAX_CALLBACK_LENGTH:
        raise InvalidInput(f"a callback token has at most {MAX_CALLBACK_LENGTH} characters")
    return {
        "messaging_product": "whatsapp",
        "recipient_type": "individual",
        _address_field(to): to,
        "biz_opaque_callback_data": callback_token,
        **message,
    }


def _address_field(to: str) -> str:
    if to.startswith("+") and to[1:].isascii() and to[1:].isdigit() and 8 <= len(to) <= 16:
        return "to"
    if is_user_id(to):
        return "recipient"
    raise InvalidInput("a recipient is E.164 with + or a business-scoped user id", pointer="/to")


def is_user_id(address: str) -> bool:
    """Whether this is a business-scoped user id: two capitals, a dot, up to 128 alphanumerics."""
    country, _, rest = address.partition(".")
    own = rest.removeprefix("ENT.")
    is_country = len(country) == 2 and country.isascii() and country.isalpha() and country.isupper()
    return is_country and own.isascii() and own.isalnum() and len(own) <= 128
