"""The live path as real processes: sandbox, API, planner, pacer, workers, applier, settler."""

import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from core.settings import Settings
from tests.sender.world import BODY_TEMPLATE, TOKEN, World
from tests.support.settings import APP_SECRET, SECRET_KEY, VERIFY_TOKEN, free_port

PROJECT = Path(__file__).resolve().parents[2]


class LivePath:
    """Starts and kills parts; every process it started is gone when its block ends."""

    def __init__(
        self, folder: Path, settings: Settings, broker_url: str, **environment: str
    ) -> None:
        self.folder = folder
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self.api_port = free_port()
        self.sandbox_port = free_port(avoid={self.api_port})
        self.sandbox_url = f"http://127.0.0.1:{self.sandbox_port}"
        self._kept = {
            key: value for key, value in os.environ.items() if not key.startswith("CARTEIRO_")
        }
        self._environment = {
            "CARTEIRO_HOME": str(folder),
            "CARTEIRO_DATABASE_URL": settings.database_url,
            "CARTEIRO_BROKER_URL": broker_url,
            "CARTEIRO_REDIS_URL": broker_url,
            "CARTEIRO_SECRET_KEY": SECRET_KEY,
            "CARTEIRO_META_APP_SECRET": APP_SECRET,
            "CARTEIRO_META_VERIFY_TOKEN": VERIFY_TOKEN,
            "CARTEIRO_META_BASE_URL": self.sandbox_url,
            "CARTEIRO_API_PORT": str(self.api_port),
            "CARTEIRO_DRAIN_SECONDS": "0",
            "CARTEIRO_ENVIRONMENT": "ci",
            **environment,
        }

    def start(self, name: str, *arguments: str, **environment: str) -> None:
        """Start `python -m ...` under a name of ours, with more environment than the others."""
        with (self.folder / f"{name}.log").open("ab") as log:
            self.processes[name] = subprocess.Popen(
                [sys.executable, "-m", *arguments],
                cwd=PROJECT,
                env={**self._kept, **self._environment, **environment},
                stdout=log,
                stderr=log,
            )

    def start_sender(self, part: str, name: str | None = None) -> None:
        self.start(name or part, "sender", part)

    def start_api(self, **environment: str) -> None:
        self.start("api", "api", **environment)
        self.wait_for(lambda: answers(f"http://127.0.0.1:{self.api_port}/health/live"), 40)

    def start_sandbox(self, config: dict[str, Any]) -> None:
        path = self.folder / "sandbox.json"
        path.write_text(json.dumps(config))
        callback = f"http://127.0.0.1:{self.api_port}/webhooks/meta"
        self.start(
            "sandbox",
            *("sandbox", "--config", str(path), "--port", str(self.sandbox_port)),
            *("--callback", callback),
        )
        self.wait_for(lambda: answers(f"{self.sandbox_url}/sandbox/health"), 40)

    def kill(self, name: str) -> None:
        """SIGKILL: no handler runs, nothing is flushed."""
        process = self.processes.pop(name)
        process.send_signal(signal.SIGKILL)
        process.wait()

    def ledger(self) -> dict[str, Any]:
        """What the sandbox accepted: the judge."""
        with urllib.request.urlopen(f"{self.sandbox_url}/sandbox/ledger/summary") as answer:
            summary: dict[str, Any] = json.load(answer)
        return summary

    def wait_for(self, condition: Callable[[], bool], seconds: float) -> None:
        end = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < end, f"it did not come to pass in time\n{self.logs()}"
            dead = [name for name, process in self.processes.items() if process.poll() is not None]
            assert not dead, f"{dead} ended\n{self.logs()}"
            time.sleep(0.1)

    def logs(self) -> str:
        return "\n".join(
            f"== {path.name}\n{path.read_text(errors='replace')[-1500:]}"
            for path in sorted(self.folder.glob("*.log"))
        )

    def close(self) -> None:
        for process in self.processes.values():
            process.terminate()
        for process in self.processes.values():
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


@contextmanager
def live_path(
    folder: Path, settings: Settings, broker_url: str, **environment: str
) -> Iterator[LivePath]:
    with ExitStack() as stack:
        path = LivePath(folder, settings, broker_url, **environment)
        stack.callback(path.close)
        yield path


def sandbox_config(world: World, *, throughput: int, **parts: Any) -> dict[str, Any]:
    """A sandbox that knows this world's account, number and template."""
    return {
        "app_secret": APP_SECRET,
        "verify_token": VERIFY_TOKEN,
        "tokens": [{"token": TOKEN}],
        "wabas": [
            {
                "id": world.waba_id,
                "timezone": "America/Sao_Paulo",
                "numbers": [
                    {
                        "id": world.phone_number_id,
                        "display_phone_number": "+55 11 95550-0000",
                        "throughput_mps": throughput,
                    }
                ],
                "templates": [
                    {
                        "name": "pedido",
                        "language": "pt_BR",
                        "category": "UTILITY",
                        "components": BODY_TEMPLATE,
                    }
                ],
            }
        ],
        "delivery": {"sent_ms": [20, 100], "delivered_ms": [100, 400], "read_ms": [300, 900]},
        "callback": {"batch_size": 50, "flush_interval_ms": 50},
        **parts,
    }


def answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:
            return bool(answer.status == 200)
    except (OSError, urllib.error.URLError):
        return False
