"""The pages behind the `type` of every error."""

from typing import Annotated

from fastapi import Path

from api.dto import Answer
from api.openapi import problems
from api.problems import CATALOGUE, Problem, ProblemKind
from api.routing import SliceRouter

router = SliceRouter(prefix="/problems", tags=["problems"])


class ProblemPage(Answer):
    """One kind of error and what to do about it."""

    code: str
    status: int
    title: str
    advice: str


class ProblemPages(Answer):
    """Every kind of error."""

    items: list[ProblemPage]


@router.get("", operation_id="list_problems", summary="Every error code")
async def list_problems() -> ProblemPages:
    """All codes that `code` and `type` of an error can be."""
    return ProblemPages(items=[_page(kind) for kind in CATALOGUE.values()])


@router.get(
    "/{code}",
    operation_id="get_problem",
    summary="One error code",
    responses=problems("not-found"),
)
async def get_problem(code: Annotated[str, Path(max_length=64)]) -> ProblemPage:
    """What an error means and what can be done about it."""
    kind = CATALOGUE.get(code)
    if kind is None:
        raise Problem("not-found", "there is no such problem")
    return _page(kind)


def _page(kind: ProblemKind) -> ProblemPage:
    return ProblemPage(code=kind.code, status=kind.status, title=kind.title, advice=kind.advice)
