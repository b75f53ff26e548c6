"""Holds every named query of core/store to the house's SQL style.

    python -m tests.support.lint_queries

SQLFluff reads files of statements; ours hold named blocks with psycopg placeholders, so each block
is handed over alone. What it cannot parse is an error too, except what is listed here.
"""

import re
import sys
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import cache
from pathlib import Path

from sqlfluff.core import FluffConfig, Linter

from core.store.queries import FOLDER, load

#: Queries whose valid PostgreSQL the linter's grammar does not know.
UNKNOWN_TO_THE_GRAMMAR = {"extractions.freeze_snapshot"}
# Placeholders stand for values; a number also fits where only a number may stand (limit).
_PLACEHOLDER = re.compile(r"%\((?P<name>\w+)\)[sbt]")


@cache
def _linter() -> Linter:
    root = Path(__file__).resolve().parents[2]
    return Linter(config=FluffConfig.from_path(str(root / "core"), ignore_local_config=False))


def problems(noun: str) -> list[str]:
    """One line a violation in core/store/<noun>.sql."""
    return list(_problems(noun))


def _problems(noun: str) -> Iterator[str]:
    for query in load(noun).described():
        name = f"{noun}.{query.name}"
        result = _linter().lint_string(_PLACEHOLDER.sub("1", query.sql) + "\n", fname=noun)
        for violation in result.get_violations():
            if violation.rule_code() != "PRS" or name not in UNKNOWN_TO_THE_GRAMMAR:
                yield (
                    f"core/store/{noun}.sql {query.name} line {violation.line_no}: "
                    f"{violation.rule_code()} {violation.desc()}"
                )


def main() -> int:
    """Print every violation; returns 1 when there is one."""
    nouns = sorted(file.stem for file in FOLDER.glob("*.sql"))
    with ProcessPoolExecutor(2) as pool:
        found = [line for lines in pool.map(problems, nouns) for line in lines]
    print("\n".join(found) or f"{len(nouns)} files of named queries are well written")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
