"""docs/webhooks-in.md: its commands print what it says, and its table names every kind."""

import re
import subprocess
import sys
from pathlib import Path

from carteiro import webhook_facts

PAGE = (Path(__file__).parents[2] / "docs" / "webhooks-in.md").read_text("utf-8")


def test_the_page_s_command_prints_what_the_page_shows() -> None:
    shown = re.findall(r"```console\n\$ (.+)\n((?:\{.*\}\n)+)```", PAGE)
    assert shown
    for command, output in shown:
        runnable = command.replace("| carteiro", f"| {sys.executable} -m carteiro")
        ran = subprocess.run(
            ["bash", "-c", runnable], capture_output=True, text=True, check=True, timeout=60
        )
        assert ran.stdout == output


def test_every_kind_is_in_the_table() -> None:
    source = Path(webhook_facts.__file__).read_text("utf-8")
    kinds = set(
        re.findall(r'"(message|system|status|error|other|echo|group|call|call_status)"', source)
    )
    kinds |= {kind for _, kind in webhook_facts._TEMPLATE_KINDS.values()}
    kinds |= set(webhook_facts._ACCOUNT_KINDS.values())
    kinds |= {"account_update", "user_preference", "user_id_update"}
    for kind in kinds:
        assert f"`{kind}`" in PAGE, kind
