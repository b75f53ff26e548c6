"""Runs one part of the sender: `python -m carteiro.part worker`.

The way the stack starts its processes: without the command line, whose imports cost 0.2 s and
15 MB for each of them.
"""

import sys
from importlib import import_module

SENDER_PARTS = ("planner", "pacer", "worker", "applier", "settler")


def main(part: str) -> None:
    """Run `sender.<part>.main.main(settings)` until SIGTERM."""
    if part not in SENDER_PARTS:
        sys.exit(f"no part {part}; there are {', '.join(SENDER_PARTS)}")
    from core.settings import get_settings

    import_module(f"sender.{part}.main").main(get_settings())


if __name__ == "__main__":
    main(sys.argv[1])
