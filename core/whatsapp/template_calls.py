"""Writing templates at Meta: create, edit, delete (Meta, template management, as of 2026-04-13).

Whoever repeats one of these after an answer that never came may be told that it exists, or is gone
already: a sync says which.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from core.errors import MetaUnreachable
from core.whatsapp.client import CloudApi, path_segment
from core.whatsapp.json_values import optional_identifier, text


@dataclass(frozen=True, slots=True, kw_only=True)
class TemplateTaken:
    """Meta took a template; what it thinks of it comes later, by webhook.

    `category` may be another than was asked for, in lower case.
    """

    meta_template_id: str
    status: str
    category: str | None


class TemplateCalls(CloudApi):
    """The Cloud API's calls that change templates. Each raises MetaError, MetaUnreachable."""

    async def create_template(self, waba_id: str, body: Mapping[str, object]) -> TemplateTaken:
        """Hand a new template in for review."""
        path = f"{path_segment(waba_id)}/message_templates"
        answer = await self._call("POST", path, body=body)
        meta_template_id = optional_identifier(answer.body, "id", limit=64)
        if meta_template_id is None:
            raise MetaUnreachable("Meta took a template without naming it", before_bytes=False)
        category = text(answer.body, "category")
        return TemplateTaken(
            meta_template_id=meta_template_id,
            status=(text(answer.body, "status") or "PENDING").upper(),
            category=category.lower() if category else None,
        )

    async def edit_template(self, meta_template_id: str, body: Mapping[str, object]) -> None:
        """Replace all components of a template, and what else the body names."""
        await self._call("POST", path_segment(meta_template_id), body=body)

    async def delete_template(self, waba_id: str, *, name: str, meta_template_id: str) -> None:
        """Delete one template in one language."""
        path = f"{path_segment(waba_id)}/message_templates"
        await self._call("DELETE", path, query={"name": name, "hsm_id": meta_template_id})
