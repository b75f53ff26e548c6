"""JSON that two readers might read differently, or that costs too much to read, is not read."""

import json
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.json_bodies import DEEPEST, LONGEST_TEXT, MOST_MEMBERS, fault_of

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(min_value=-(2**60), max_value=2**60)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text()
)


def depth(value: Any) -> int:
    if isinstance(value, dict):
        return 1 + max((depth(each) for each in value.values()), default=0)
    if isinstance(value, list):
        return 1 + max((depth(each) for each in value), default=0)
    return 0


@given(
    st.recursive(
        SCALARS,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
        max_leaves=60,
    ),
    st.integers(min_value=0, max_value=40),
    st.booleans(),
)
def test_whatever_json_holds_is_taken_down_to_the_deepest_level(
    value: Any, wraps: int, ascii_only: bool
) -> None:
    for level in range(wraps):
        value = {"]}": value} if level % 2 else [value]
    body = json.dumps(value, ensure_ascii=ascii_only).encode("utf-8", "surrogatepass")
    storable = ascii_only or not any(0xD800 <= ord(each) <= 0xDFFF for each in str(value))
    if storable:
        assert (fault_of(body) is None) == (depth(value) <= DEEPEST)


@given(st.binary(max_size=200) | st.text(alphabet='[]{}":,\\0a ', max_size=60).map(str.encode))
def test_no_bytes_make_the_judge_fail_and_what_it_takes_is_json(body: bytes) -> None:
    if fault_of(body) is None:
        json.loads(body)


@given(st.text(min_size=1), st.integers(), st.integers())
def test_a_name_that_comes_twice_is_refused_however_it_is_written(
    name: str, one: int, two: int
) -> None:
    plain = json.dumps(name)
    escaped = '"' + "".join(f"\\u{ord(each):04x}" for each in name if ord(each) < 0x10000) + '"'
    if len(json.loads(escaped)) == len(name):
        body = f"[{{{plain}: {one}, {escaped}: {two}}}]"
        assert fault_of(body.encode()) == "an object has the same name twice"


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"[" * 1_000_000, "nested deeper"),
        (b"[" * 999_900 + b"]" * 64, "nested deeper"),
        (b'{"a":' * 150_000, "nested deeper"),
        (b"[" + b"[]," * 300_000 + b"[]]", "more than 10000 members"),
        (b'["' + b"\\\\" * 500_000 + b'"]', "more than 65536 characters"),
        (b'"' + b"\\" * 1_000_000, "isn't JSON"),
        (b'"' * 1_000_000, "isn't JSON"),
        (b"9" * 1_000_000, "isn't JSON"),
        (b"[" * 31 + b"[]," * 300_000, "odd"),
    ],
)
def test_the_worst_megabyte_is_judged_within_a_second(body: bytes, words: str) -> None:
    started = time.process_time()
    assert words in (fault_of(body) or "")
    assert time.process_time() - started < 1.0


def test_the_longest_and_the_largest_are_still_taken() -> None:
    for value in (["x" * LONGEST_TEXT], [0] * MOST_MEMBERS, {str(n): n for n in range(5_000)}):
        assert fault_of(json.dumps(value).encode()) is None
