"""HTTP servers on the stage: our API as the stack starts it, peers under a plain uvicorn."""

import urllib.request

import psutil

from tests.load.stage import Stage
from tests.support.settings import APP_SECRET, VERIFY_TOKEN, free_port

_API_SECRETS = {
    "CARTEIRO_META_APP_SECRET": APP_SECRET,
    "CARTEIRO_META_VERIFY_TOKEN": VERIFY_TOKEN,
}


def start_api(
    stage: Stage, environment: dict[str, str], *, core: int | None
) -> tuple[psutil.Process, int]:
    """Our API as carteiro/programs.py starts it; returns it and its port."""
    port = free_port()
    variables = {
        **environment,
        **_API_SECRETS,
        "CARTEIRO_API_PORT": str(port),
        "CARTEIRO_DRAIN_SECONDS": "0",
    }
    process = stage.start("api", ["-m", "api"], core=core, **variables)
    _await(stage, port)
    return process, port


def start_server(
    stage: Stage, name: str, application: str, *options: str, core: int | None, **environment: str
) -> tuple[psutil.Process, int]:
    """An ASGI application that answers GET /health/live; on any core when `core` is None."""
    port = free_port()
    process = stage.start(
        name,
        [
            *("-m", "uvicorn", application, *options, "--host", "127.0.0.1"),
            *("--port", str(port), "--no-access-log", "--log-level", "warning"),
        ],
        core=core,
        **environment,
    )
    _await(stage, port)
    return process, port


def _await(stage: Stage, port: int) -> None:
    stage.wait_for(lambda: answers(f"http://127.0.0.1:{port}/health/live"), 120)


def answers(url: str) -> bool:
    """Whether a GET is answered with 200."""
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False
