"""`make chaos-crash`: kill everything, at random moments, on both brokers; then count.

    python -m tests.chaos --kills 200 --seed 1 --broker both --json

Exit code 1 when anything was lost, doubled or left open; the seed and the journal of kills that
are printed then repeat the run.
"""

import argparse
import json
import secrets
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from tests.chaos.arena import Broker
from tests.chaos.run import Outcome, Plan, run


def main(arguments: Sequence[str]) -> int:
    """Run, print the table, say whether all promises held."""
    wanted = _parse(arguments)
    brokers: list[Broker] = ["valkey", "rabbitmq"] if wanted.broker == "both" else [wanted.broker]
    outcomes = []
    for number, broker in enumerate(brokers):
        kills = wanted.kills // len(brokers) + (number < wanted.kills % len(brokers))
        plan = Plan(broker=broker, seed=wanted.seed, kills=kills)
        with tempfile.TemporaryDirectory(prefix="carteiro-chaos-") as folder:
            outcomes.append(_guarded(plan, Path(folder), keep_logs=wanted.logs))
    if wanted.json:
        print(json.dumps([_as_json(each) for each in outcomes], indent=2))
    else:
        print(table(outcomes))
    failed = any(each.violations for each in outcomes)
    if failed:
        _print_journal(outcomes, wanted.seed)
    return int(failed)


def table(outcomes: Sequence[Outcome]) -> str:
    """Kills by program, and what came of it, a column for each broker."""
    names = sorted({killing.victim for each in outcomes for killing in each.journal})
    kills = [Counter(killing.victim for killing in each.journal) for each in outcomes]
    lines = [_line("", [each.plan.broker for each in outcomes])]
    lines += [_line(f"kills: {name}", [count[name] for count in kills]) for name in names]
    lines.append(_line("kills in all", [count.total() for count in kills]))
    for name in (
        *("planned", "accepted", "lost", "doubled", "denied", "calls_cut", "in_doubt_ever"),
        *("in_doubt_open", "in_doubt_max_seconds", "webhooks_due", "webhooks_missing"),
    ):
        values = [getattr(each.verdict, name, "-") for each in outcomes]
        lines.append(_line(name.replace("_", " "), values))
    lines.append(_line("calls repeated by tenants", [each.retries for each in outcomes]))
    lines.append(_line("seconds", [each.seconds for each in outcomes]))
    lines += [f"VIOLATED ({each.plan.broker}): {it}" for each in outcomes for it in each.violations]
    quiet = outcomes[0].plan.quiet_seconds
    lines.append(f"(silence about a doubt counted after {quiet} s here, 900 s by default)")
    return "\n".join(lines)


def _guarded(plan: Plan, folder: Path, *, keep_logs: Path | None) -> Outcome:
    """A run that breaks off is a failed run, with its journal."""
    began = time.monotonic()

    def say(text: str) -> None:
        print(f"[{time.monotonic() - began:5.0f} s] {text}", file=sys.stderr, flush=True)

    outcome = run(plan, folder, say)
    if outcome.violations and keep_logs:
        keep_logs.mkdir(parents=True, exist_ok=True)
        for file in (folder / "home" / "logs").glob("*.log"):
            (keep_logs / f"{plan.broker}-{file.name}").write_bytes(file.read_bytes())
    return outcome


def _line(name: str, values: Sequence[object]) -> str:
    return f"{name:<28}" + "".join(f"{value!s:>12}" for value in values)


def _as_json(outcome: Outcome) -> dict[str, object]:
    return {
        "plan": asdict(outcome.plan),
        "verdict": asdict(outcome.verdict) if outcome.verdict else None,
        "violations": outcome.violations,
        "kills": [killing.as_json() for killing in outcome.journal],
        "seconds": outcome.seconds,
    }


def _print_journal(outcomes: Sequence[Outcome], seed: int) -> None:
    for each in outcomes:
        for killing in each.journal:
            print(json.dumps({"broker": each.plan.broker, **killing.as_json()}), file=sys.stderr)
    print(f"repeat it with --seed {seed}", file=sys.stderr)


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=secrets.randbelow(10**6))
    parser.add_argument("--broker", choices=("valkey", "rabbitmq", "both"), default="both")
    parser.add_argument("--json", action="store_true", help="print the result as JSON")
    parser.add_argument("--logs", type=Path, help="keep the programs' logs of a failed run here")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
