"""docs/permissions.md: who may call what, from the roles and the routes themselves.

`python -m api.permissions` prints the page; a test holds the page and this equal.
"""

import sys
from typing import Any, Final

from fastapi import FastAPI
from pydantic import SecretStr

from api.scopes import SCOPES_BY_ROLE, Role, Scope

_HEAD: Final = """# Who may do what

Every operation of the [API](api.md) names one scope. An API key carries scopes; a person carries a
role, which stands for scopes. This page is what `python -m api.permissions` prints; a test holds
the two equal. How roles are given: [People, sessions, keys](identity.md).
"""


def permissions_page(app: FastAPI) -> str:
    """The page as Markdown."""
    rows = sorted(_operations(app))
    guarded = [row for row in rows if row[2]]
    open_to_all = [f"- `{method} {path}`" for path, method, scope in rows if not scope]
    return "\n".join(
        [
            _HEAD,
            "## Roles and scopes",
            "",
            *_table("scope", [(f"`{scope.value}`", scope) for scope in Scope]),
            "",
            "## Operations",
            "",
            *_table(
                "operation | scope",
                [
                    (f"`{method} {path}` | `{scope}`", Scope(scope))
                    for path, method, scope in guarded
                ],
            ),
            "",
            "## Without a credential",
            "",
            *open_to_all,
            "",
        ]
    )


def _operations(app: FastAPI) -> list[tuple[str, str, str]]:
    """Path, method and scope ("": none) of every operation."""
    return [
        (path, method.upper(), _scope(operation))
        for path, methods in app.openapi()["paths"].items()
        for method, operation in methods.items()
    ]


def _scope(operation: dict[str, Any]) -> str:
    for requirement in operation.get("security", []):
        for scopes in requirement.values():
            return str(scopes[0])
    return ""


def _table(first: str, rows: list[tuple[str, Scope]]) -> list[str]:
    columns = first.count("|") + 1 + len(Role)
    head = f"| {first} | {' | '.join(Role)} |"
    return [
        head,
        "|" + "---|" * columns,
        *(f"| {cells} | {_marks(scope)} |" for cells, scope in rows),
    ]


def _marks(scope: Scope) -> str:
    return " | ".join("yes" if scope in SCOPES_BY_ROLE[role] else "-" for role in Role)


def _main() -> None:
    from api.app import create_app
    from core.settings import Settings

    # The page needs no server and no secret: whatever stands here is never used.
    unused = SecretStr("unused")
    settings = Settings(
        database_url="postgresql://nobody@localhost/carteiro",
        secret_key=unused,
        meta_app_secret=unused,
        meta_verify_token=unused,
    )
    sys.stdout.write(permissions_page(create_app(settings)))


if __name__ == "__main__":
    _main()
