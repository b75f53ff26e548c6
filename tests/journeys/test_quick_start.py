"""The quick start of docs/api.md, typed into a real shell against a real API and the sandbox."""

import json
import os
import re
import selectors
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
import pytest

from core.dsn import DatabaseRole
from core.settings import Settings, get_settings
from core.store import price_plans
from orchestration.tenant_exports.run import run_exports
from tests.api.conftest import Account, make_account
from tests.api.test_exports_and_billing import publish_usage
from tests.api.test_isolation import make_invoice
from tests.chaos.live_path import live_path
from tests.support.settings import APP_SECRET, SECRET_KEY, VERIFY_TOKEN

PAGE = Path(__file__).parents[2] / "docs" / "api.md"
SENDER = ("planner", "pacer", "worker", "applier", "settler", "notifier")
BODY = [
    {
        "type": "BODY",
        "text": "Olá {{1}}, o seu pedido chegou à loja.",
        "example": {"body_text": [["Ana"]]},
    }
]


def blocks() -> list[str]:
    """The shell blocks of the section, in their order."""
    section = PAGE.read_text("utf-8").split("## Quick start\n")[1].split("\n## ")[0]
    return re.findall(r"```sh\n(.*?)```", section, re.DOTALL)


class Shell:
    """One bash, into which blocks are typed; what they set stays."""

    def __init__(self, environment: dict[str, str], folder: Path) -> None:
        self._process = subprocess.Popen(
            ["bash", "--noprofile", "--norc"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={"PATH": os.environ["PATH"], "HOME": str(folder), **environment},
            cwd=folder,
        )
        self._number = 0

    def type(self, block: str, seconds: float = 90) -> str:
        """What a block prints. Fails when a command of it does, or when it takes too long."""
        assert self._process.stdin is not None
        self._number += 1
        end = f"@@{self._number}@@"
        # A block stops at its first error, and what it has set is there for the next.
        typed = f"set -e -o pipefail\n{block}\nset +e\nprintf '\\n{end}\\n'\n"
        self._process.stdin.write(typed.encode())
        self._process.stdin.flush()
        return self._heard_until(end.encode(), seconds).decode().strip()

    def close(self) -> None:
        self._process.kill()
        self._process.communicate()

    def _heard_until(self, end: bytes, seconds: float) -> bytes:
        out = self._process.stdout
        assert out is not None
        heard, deadline = b"", time.monotonic() + seconds
        with selectors.DefaultSelector() as selector:
            selector.register(out, selectors.EVENT_READ)
            while end not in heard:
                assert time.monotonic() < deadline, f"too slow, so far: {heard.decode()}"
                if selector.select(0.5):
                    part = os.read(out.fileno(), 65_536)
                    assert part, f"the shell ended: {heard.decode()}"
                    heard += part
        return heard.partition(end)[0]


@contextmanager
def typing(environment: dict[str, str], folder: Path) -> Iterator[Shell]:
    shell = Shell(environment, folder)
    try:
        yield shell
    finally:
        shell.close()


def sandbox_of(account: Account) -> dict[str, Any]:
    number = {"id": account.phone_number_id, "display_phone_number": "+55 11 97777-0001"}
    template = {"name": "order_arrived", "language": "pt_BR", "category": "UTILITY"}
    return {
        "app_secret": APP_SECRET,
        "verify_token": VERIFY_TOKEN,
        "tokens": [{"token": "EAAtoken1"}],
        "wabas": [
            {
                "id": account.waba_id,
                "timezone": "America/Sao_Paulo",
                "numbers": [number | {"throughput_mps": 80}],
                "templates": [template | {"components": BODY}],
            }
        ],
        "delivery": {"sent_ms": [20, 100], "delivered_ms": [100, 300], "read_ms": [300, 600]},
        "callback": {"batch_size": 50, "flush_interval_ms": 50},
    }


@pytest.fixture
def account(database: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[Account]:
    monkeypatch.setenv("CARTEIRO_SECRET_KEY", SECRET_KEY)
    get_settings.cache_clear()
    with psycopg.connect(database.dsn(DatabaseRole.OPERATOR), autocommit=True) as connection:
        price_plans.seed_examples(connection)
        yield make_account(connection, "padaria", 1)
    get_settings.cache_clear()


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_every_block_of_the_quick_start_does_what_the_page_says(
    database: Settings,
    account: Account,
    valkey_url: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # The month's standing files need marts of a whole data path; what is asked for here doesn't.
    monkeypatch.setattr("orchestration.tenant_exports.run.STANDARD", ())
    settings = database.model_copy(update={"exports_dir": tmp_path / "exports"})
    publish_usage(database, (account, 5))
    with psycopg.connect(database.database_url, autocommit=True) as admin:
        make_invoice(admin, account)
    answers: list[str] = []
    with live_path(
        tmp_path, database, valkey_url, CARTEIRO_EXPORTS_DIR=str(settings.exports_dir)
    ) as path:
        path.start_sandbox(sandbox_of(account))
        path.start_api()
        for part in SENDER:
            path.start_sender(part)
        environment = {
            "BASE": f"http://127.0.0.1:{path.api_port}",
            "KEY": account.api_key,
            "HOOK": "https://8.8.8.8/carteiro",
        }
        with typing(environment, tmp_path) as shell:
            for block in blocks():
                if "/download" in block:
                    run_exports(settings, day=datetime.now(UTC).date())
                try:
                    answers.append(shell.type(block))
                except AssertionError as error:
                    raise AssertionError(f"{error}\n{block}\n{path.logs()}") from error
    check(answers, account)


def check(answers: list[str], account: Account) -> None:
    """Each block's answer, in the order of the page."""
    tenant, synced, imported, endpoints, launched, stats, story, usage, asked, file = answers
    assert json.loads(tenant)["slug"] == "padaria"
    assert synced.splitlines()[-1].split()[0] == account.phone_number_id
    assert len(synced.splitlines()[-1].split()[1]) == 36
    assert json.loads(imported)["rows_created"] == 3
    assert json.loads(endpoints)["items"][0]["url"] == "https://8.8.8.8/carteiro"
    assert json.loads(launched)["status"] == "running"
    found = json.loads(stats)
    counts = {state: count for state, count in found["states"].items() if count}
    assert sum(counts.values()) == 3, found
    assert set(counts) <= {"accepted", "sent", "delivered", "read"}, found
    assert "delivered" in story
    assert json.loads(usage)["delivered"] == 10
    assert json.loads(asked)["status"] == "queued"
    header, *rows = file.splitlines()
    assert "invoice" in header
    assert len(rows) == 1
