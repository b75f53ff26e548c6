import json
import signal
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from sandbox.main import load_config
from tests.support.sandboxes import TEMPLATE

ROOT = Path(__file__).parents[2]


def start(*arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "sandbox", "--port", "0", *arguments]
    return subprocess.Popen(command, stdout=subprocess.PIPE, cwd=ROOT, text=True)


def first_line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline()


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_first_line_is_enough_to_send_a_message(how: signal.Signals) -> None:
    with start("--json", "--seed", "3") as process:
        facts = json.loads(first_line(process))
        response = httpx.post(
            f"{facts['base_url']}/v26.0/{facts['phone_number_id']}/messages",
            headers={"Authorization": f"Bearer {facts['token']}"},
            json={
                "messaging_product": "whatsapp",
                "to": "+5511955550123",
                "type": "template",
                "template": {
                    "name": facts["template"],
                    "language": {"code": facts["language"]},
                },
            },
        )
        process.send_signal(how)
        code = process.wait(timeout=20)

    assert response.status_code == 200
    assert code == 0
    assert {"waba_id", "app_secret", "verify_token"} <= facts.keys()
    assert facts["template"] == TEMPLATE["name"]


def test_readable_first_line_names_the_address_and_an_example() -> None:
    with start() as process:
        line = first_line(process)
        example = first_line(process)
        process.terminate()

    assert line.startswith("sandbox at http://127.0.0.1:")
    assert example.startswith("try: curl")


def test_seed_decides_ids_and_secrets(tmp_path: Path) -> None:
    one, again, other = (load_config(seed=seed) for seed in (1, 1, 2))

    assert one == again
    assert one.app_secret != other.app_secret
    assert one.wabas[0].id != other.wabas[0].id


def test_command_line_wins_over_the_file(tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    path.write_text(load_config(seed=5, callback="http://one.example/").model_dump_json())

    config = load_config(
        config_path=path, callback="http://two.example/", journal=tmp_path / "journal"
    )

    assert config.seed == 5
    assert config.callback.url == "http://two.example/"
    assert config.journal == tmp_path / "journal"
