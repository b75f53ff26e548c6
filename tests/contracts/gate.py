"""How far two documents differ, and which part of the version must rise for it.

api-smart-diff judges each difference where an operation shows it, so that a schema is read as a
request's or an answer's. Our own rules stand on top where it judges wrongly (each has its edit in
edits.py). Differences under `components` alone are passed over: they have no direction.
"""

import json
import re
from collections.abc import Iterator, Sequence
from enum import IntEnum
from functools import cache
from pathlib import Path
from typing import Any

from api.openapi import operations
from tests.contracts.tools import HERE, ROOT, run_node

Document = dict[str, Any]
COPIES = ROOT / "docs" / "api"
RELEASES = COPIES / "releases.json"
_WORDS = {"description", "summary", "title", "example", "examples", "externalDocs", "tags"}


class Bump(IntEnum):
    """The part of a semantic version that must rise."""

    NONE = 0
    PATCH = 1
    MINOR = 2
    MAJOR = 3


def needed_bumps(pairs: Sequence[tuple[Document, Document]]) -> list[tuple[Bump, list[str]]]:
    """For each pair the part of the version that must rise, and the differences that demand it."""
    smaller = [_reduced(_events(_contract(one)), _events(_contract(two))) for one, two in pairs]
    asked = json.dumps([{"before": before, "after": after} for before, after in smaller])
    done = run_node(HERE / "compare.cjs", stdin=asked)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    return [_bump(diffs, pair) for diffs, pair in zip(found, pairs, strict=True)]


def _bump(diffs: list[dict[str, Any]], pair: tuple[Document, Document]) -> tuple[Bump, list[str]]:
    shown = [each for each in diffs if each["path"] and each["path"][0] != "components"]
    breaking = [_told(each) for each in shown if _is_breaking(each)]
    if breaking:
        return Bump.MAJOR, breaking
    additive = [_told(each) for each in shown if each["type"] != "annotation"]
    if additive:
        return Bump.MINOR, additive
    without_version = [{**each, "info": {**each["info"], "version": ""}} for each in pair]
    return (Bump.PATCH if without_version[0] != without_version[1] else Bump.NONE), []


def _is_breaking(diff: dict[str, Any]) -> bool:
    path, action = diff["path"], diff["action"]
    if "responses" in path and path[-1] == "type" and action == "replace":
        # The tool holds integer -> string for a widening; whoever reads the answer doesn't.
        return True
    if action == "remove" and "requestBody" in path and path[-2] == "properties":
        # Our requests are closed: a member that is no longer known is refused.
        return True
    if action == "remove" and len(path) > 1 and path[-2] == "parameters":
        # An unknown query parameter is refused too.
        return True
    return bool(diff["type"] == "breaking")


def _told(diff: dict[str, Any]) -> str:
    return f"{diff['action']} {' > '.join(str(part) for part in diff['path'])}"


def _contract(node: Any) -> Any:
    """A document without what no program reads: words, examples, extensions."""
    if isinstance(node, list):
        return [_contract(item) for item in node]
    if not isinstance(node, dict):
        return node
    named = "properties" in node
    return {
        key: {name: _contract(item) for name, item in value.items()}
        if named and key == "properties"
        else _contract(value)
        for key, value in node.items()
        if key not in _WORDS and not key.startswith("x-")
    }


def _events(document: Document) -> Document:
    """The document with what we post shown as answers: a tenant reads it, and never writes it."""
    paths = dict(document["paths"])
    for name, item in document.get("webhooks", {}).items():
        answer = {"description": "", "content": item["post"]["requestBody"]["content"]}
        paths[f"/events/{name}"] = {"get": {"responses": {"200": answer}, "security": []}}
    return {**document, "paths": paths, "webhooks": {}}


def _reduced(before: Document, after: Document) -> tuple[Document, Document]:
    """Both with only the operations that differ, also by a schema they use."""
    known = {(method, path): _closure(before, each) for method, path, each in operations(before)}
    now = {(method, path): _closure(after, each) for method, path, each in operations(after)}
    same = {key for key in known if known[key] == now.get(key)}
    return _without(before, same), _without(after, same)


def _without(document: Document, same: set[tuple[str, str]]) -> Document:
    paths: dict[str, Any] = {}
    for method, path, each in operations(document):
        if (method, path) not in same:
            paths.setdefault(path, {})[method] = each
    components: dict[str, Any] = {"securitySchemes": document["components"]["securitySchemes"]}
    for name in _stands_on(document, json.dumps(paths)):
        kind, _, key = name.partition("/")
        components.setdefault(kind, {})[key] = document["components"][kind][key]
    return {**document, "paths": paths, "components": components}


def _closure(document: Document, operation: dict[str, Any]) -> str:
    """An operation and every component that it stands on, as one text."""
    text = json.dumps(operation, sort_keys=True)
    return text + json.dumps(_stands_on(document, text), sort_keys=True)


def _stands_on(document: Document, text: str) -> dict[str, str]:
    """Every component that a text refers to, also by another, as text."""
    seen: dict[str, str] = {}
    waiting = [text]
    while waiting:
        for name in _references(waiting.pop()):
            if name not in seen:
                kind, _, key = name.partition("/")
                seen[name] = json.dumps(document["components"][kind].get(key), sort_keys=True)
                waiting.append(seen[name])
    return seen


def _references(text: str) -> Iterator[str]:
    return (found[1] for found in re.finditer(r'"#/components/([^"]+)"', text))


def version_of(document: Document) -> tuple[int, int, int]:
    """The version of a document as numbers."""
    major, minor, patch = (int(part) for part in document["info"]["version"].split("."))
    return major, minor, patch


def bump_between(before: Document, after: Document) -> Bump:
    """Which part of the version rose."""
    old, new = version_of(before), version_of(after)
    if new <= old:
        return Bump.NONE
    return Bump(3 - next(index for index in range(3) if new[index] > old[index]))


@cache
def releases() -> dict[str, dict[str, str]]:
    """Released versions with their day and the SHA-256 of their copy, oldest first."""
    found: dict[str, dict[str, str]] = json.loads(RELEASES.read_text("utf-8"))
    return found


def copy_of(version: str) -> Path:
    """Where the copy of a version lies."""
    return COPIES / f"openapi-{version}.json"
