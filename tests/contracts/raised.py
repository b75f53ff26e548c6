"""Which problem codes a route can raise, read from the source: what its documentation must name.

From a route's function, every function and class that is named in it is followed through `api` and
`core`; the codes are those of `Problem("...")` and of the errors of core/errors.py that are raised.
Methods that are called on a value aren't followed: the live answers of the tests cover those.
"""

import ast
import importlib
import inspect
from functools import cache
from types import FunctionType, ModuleType
from typing import Any

from api.problems import CATALOGUE
from core.errors import CarteiroError

_FOLLOWED = ("api", "core")
#: What every caller meets is documented by rule, for all operations alike.
_BY_RULE = {"api.auth", "api.deps", "api.tokens", "api.pagination", "api.idempotency"}


@cache
def codes_of(function: FunctionType) -> frozenset[str]:
    """Codes that `function`, or anything it names, raises."""
    seen: set[Any] = set()
    found: set[str] = set()
    waiting: list[Any] = [function]
    while waiting:
        each = waiting.pop()
        if each in seen:
            continue
        seen.add(each)
        tree = _tree(each)
        if tree is None:
            continue
        names = _names(each)
        found |= _raised(tree, names)
        waiting += [thing for thing in _named(tree, names) if _is_ours(thing)]
    return frozenset(found)


def _is_ours(thing: object) -> bool:
    if not isinstance(thing, FunctionType | type):
        return False
    module = thing.__module__
    if isinstance(thing, type) and issubclass(thing, BaseException):
        return False
    return module.split(".")[0] in _FOLLOWED and module not in _BY_RULE


@cache
def _definitions(module: str) -> dict[str, ast.AST]:
    """Functions and classes that stand at the left edge of a module, by name."""
    tree = ast.parse(inspect.getsource(importlib.import_module(module)))
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    return {node.name: node for node in tree.body if isinstance(node, kinds)}


def _tree(thing: Any) -> ast.AST | None:
    return _definitions(thing.__module__).get(thing.__name__)


def _names(thing: Any) -> dict[str, Any]:
    module: ModuleType = importlib.import_module(thing.__module__)
    return vars(module)


def _value(node: ast.AST, names: dict[str, Any]) -> Any:
    if isinstance(node, ast.Name):
        return names.get(node.id)
    if isinstance(node, ast.Attribute):
        owner = _value(node.value, names)
        if isinstance(owner, ModuleType):
            return getattr(owner, node.attr, None)
    return None


def _named(tree: ast.AST, names: dict[str, Any]) -> list[Any]:
    return [
        _value(node, names) for node in ast.walk(tree) if isinstance(node, ast.Name | ast.Attribute)
    ]


def _raised(tree: ast.AST, names: dict[str, Any]) -> set[str]:
    """Codes in `Problem("code", ...)` and `raise NotFound(...)`, wherever they stand."""
    found = set()
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        made = _value(node.func, names)
        if getattr(made, "__name__", "") == "Problem" and node.args:
            code = node.args[0]
            if isinstance(code, ast.Constant):
                found.add(str(code.value))
        elif isinstance(made, type) and issubclass(made, CarteiroError) and made.code in CATALOGUE:
            # Any other is a fault of ours, and answers 500 as every operation documents.
            found.add(made.code)
    return found
