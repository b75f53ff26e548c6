"""The message object as it will be sent, frozen when the message is queued."""

from typing import Protocol

from api.messages.schemas import SendMessage
from api.problems import Problem
from core.domain.template import missing_parameters, parse_components, send_components
from core.errors import InvalidInput
from core.whatsapp.payloads import Payload, template_message, text_message


class _Template(Protocol):
    @property
    def name(self) -> str: ...
    @property
    def language(self) -> str: ...
    @property
    def components(self) -> list[dict[str, object]]: ...


def frozen_content(wanted: SendMessage, template: _Template | None) -> Payload:
    """The Cloud API message object without its address. Raises Problem when it can't be made."""
    if wanted.text is not None:
        return text_message(wanted.text.body, preview_url=wanted.text.preview_url)
    if template is None or wanted.template is None:
        raise InvalidInput("give either a template or a text", pointer="/template")
    shape = parse_components(template.components)
    if shape.unsupported:
        raise Problem(
            "template-not-sendable",
            f"the template has parts that can't be filled: {', '.join(shape.unsupported)}",
        )
    values = wanted.template.parameters
    missing = missing_parameters(shape, values)
    if missing:
        raise Problem(
            "missing-parameter",
            f"the template needs: {', '.join(missing)}",
            pointer=f"/template/parameters/{missing[0]}",
        )
    return template_message(
        name=template.name,
        language=template.language,
        components=send_components(shape, values),
    )
