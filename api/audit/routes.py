"""/v1/audit."""

from fastapi import Request
from fastapi.responses import StreamingResponse

from api.audit import service
from api.audit.schemas import (
    Actor,
    AfterSequence,
    AuditEntry,
    Operation,
    TargetId,
    TargetKind,
)
from api.deps import AuditReader, Cursor, Limit
from api.dto import Page
from api.list_filters import MadeWhen
from api.openapi import problems
from api.routing import SliceRouter

router = SliceRouter(prefix="/v1/audit", tags=["audit"])
_NDJSON = "application/x-ndjson"


@router.get("", operation_id="list_audit_entries", summary="Who changed what")
async def list_audit_entries(
    caller: AuditReader,
    request: Request,
    made: MadeWhen,
    actor: Actor = None,
    operation: Operation = None,
    target_kind: TargetKind = None,
    target_id: TargetId = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[AuditEntry]:
    """Every change through the API and every operator's change, newest first, for five years.

    An entry is written with the change itself: both are there or neither. Within seconds it is
    sealed into the tenant's chain and then nobody can change it unseen.
    """
    filters = {
        "actor": actor,
        "operation": operation,
        "target_kind": target_kind,
        "target_id": target_id,
    }
    pager = caller.pager(request, cursor, limit)
    return await service.list_entries(caller, pager, made=made, filters=filters)


@router.get(
    "/chain",
    operation_id="export_audit_chain",
    summary="The chain as a file",
    response_class=StreamingResponse,
    responses=problems("not-found")
    | {
        200: {
            "description": "A line that names the chain's ends, then a line for each entry.",
            "content": {_NDJSON: {"schema": {"type": "string"}}},
            "headers": {
                "Audit-Head": {
                    "description": "Place and hash of the last entry. Keep it: it proves the rest.",
                    "schema": {"type": "string", "pattern": "^[0-9]+:[0-9a-f]{64}$"},
                }
            },
        }
    },
)
async def export_audit_chain(
    caller: AuditReader, after_sequence: AfterSequence = 0
) -> StreamingResponse:
    """All sealed entries in the order of the chain, as NDJSON, with everything that is hashed.

    How to check it without us is documented (docs/audit.md); `carteiro audit verify --file` does.
    """
    chain = await service.find_chain(caller, after_sequence)
    headers = {"Audit-Head": str(chain.head or chain.start)}
    lines = service.chain_file(caller, chain)
    return StreamingResponse(lines, media_type=_NDJSON, headers=headers)
