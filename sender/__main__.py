"""`python -m sender <part>`: one part of the sender, until SIGTERM."""

import sys
from collections.abc import Callable
from importlib import import_module
from typing import Final

from core.settings import Settings, get_settings

PARTS: Final = ("planner", "pacer", "worker", "applier", "settler", "notifier")


def load_part(name: str) -> Callable[[Settings], None]:
    """The `main` of a part. Raises SystemExit with the list of parts for any other name."""
    if name not in PARTS:
        raise SystemExit(f"python -m sender <part>: one of {', '.join(PARTS)}")
    part: Callable[[Settings], None] = import_module(f"sender.{name}.main").main
    return part


if __name__ == "__main__":
    load_part(sys.argv[1] if len(sys.argv) == 2 else "")(get_settings())
