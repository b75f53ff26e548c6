"""Fields and pages of Graph answers: `fields=a,b`, `limit`, opaque cursors, `paging.next`."""

import base64
import binascii
from collections.abc import Mapping, Sequence
from typing import Final
from urllib.parse import urlencode

from sandbox.errors import GraphError
from sandbox.graph import GraphRequest

_PAGE: Final = 25
_PAGE_MOST: Final = 1000


def asked_fields(request: GraphRequest, by_default: Sequence[str]) -> Sequence[str]:
    """The names in `fields` (and always `id`), or the default ones."""
    asked = request.query.get("fields")
    if not asked:
        return by_default
    names = [name.strip() for name in asked.split(",") if name.strip()]
    return names if "id" in names else [*names, "id"]


def only(node: Mapping[str, object], fields: Sequence[str]) -> dict[str, object]:
    """The chosen fields of a node; a field that the node doesn't have is left out, like Meta."""
    return {name: node[name] for name in fields if name in node}


def page(
    request: GraphRequest, rows: Sequence[dict[str, object]], *, most: int = _PAGE_MOST
) -> dict[str, object]:
    """One page with opaque cursors; `next` and `previous` are whole URLs, absent at the ends."""
    query = request.query
    asked = query.get("limit", "")
    limit = min(int(asked) if asked.isdigit() and int(asked) else _PAGE, most)
    if "before" in query:
        end = min(_position(query["before"]), len(rows))
        start = max(0, end - limit)
    else:
        start = _position(query.get("after"))
        end = min(start + limit, len(rows))
    shown = rows[start:end]
    if not shown:
        return {"data": []}
    paging: dict[str, object] = {"cursors": {"before": _cursor(start), "after": _cursor(end)}}
    if end < len(rows):
        paging["next"] = _onward(request, "after", end)
    if start > 0:
        paging["previous"] = _onward(request, "before", start)
    return {"data": shown, "paging": paging}


def _onward(request: GraphRequest, direction: str, position: int) -> str:
    left_out = {"after", "before", "access_token"}
    kept = {name: value for name, value in request.query.items() if name not in left_out}
    onward = urlencode({**kept, direction: _cursor(position)})
    return f"{request.base_url}/{request.version}/{request.node}/{request.edge}?{onward}"


def _cursor(position: int) -> str:
    return base64.urlsafe_b64encode(f"row:{position}".encode()).decode().rstrip("=")


def _position(cursor: str | None) -> int:
    if not cursor:
        return 0
    try:
        text = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode()
    except (binascii.Error, UnicodeDecodeError) as error:
        raise GraphError(100, title="Invalid cursor") from error
    prefix, _, position = text.partition(":")
    if prefix != "row" or not position.isdigit():
        raise GraphError(100, title="Invalid cursor")
    return int(position)
