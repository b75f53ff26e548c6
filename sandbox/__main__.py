"""`python -m sandbox`: the sandbox alone, without the rest of the platform."""

import argparse
from pathlib import Path

from sandbox.main import HOST, serve


def run() -> None:
    """Read the arguments and serve."""
    parser = argparse.ArgumentParser(prog="python -m sandbox", description=__doc__)
    parser.add_argument("--host", default=HOST)
    parser.add_argument("--port", type=int, default=8010, help="0 takes a free port")
    parser.add_argument("--callback", help="URL that gets the webhooks")
    parser.add_argument("--json", action="store_true", help="first line is one JSON object")
    parser.add_argument("--config", type=Path, help="JSON file; without it the demo world")
    parser.add_argument("--seed", type=int, help="decides ids, secrets and faults")
    parser.add_argument("--journal", type=Path, help="file that survives a kill of the sandbox")
    parser.add_argument("--bare", action="store_true", help="answer sends, keep no books")
    arguments = parser.parse_args()
    serve(
        host=arguments.host,
        port=arguments.port,
        callback=arguments.callback,
        json_output=arguments.json,
        config_path=arguments.config,
        seed=arguments.seed,
        journal=arguments.journal,
        bare=arguments.bare,
    )


if __name__ == "__main__":
    run()
