"""A short run of `make fuzz`; the long ones are for a quiet hour."""

from typing import Any

import pytest

from tests.fuzz.__main__ import main
from tests.support.contract import document


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_schemathesis_finds_nothing_with_every_check(capsys: pytest.CaptureFixture[str]) -> None:
    found = main(["--examples", "20", "--seed", "7", "--quick"])
    output = capsys.readouterr().out
    assert found == 0, output[-8_000:]
    paths = document()["paths"].items()
    for path, item in paths:
        for method in item:
            assert f"{method.upper()} {path} " in output
    assert "the API logged 0 errors" in output


def test_a_document_that_promises_too_much_is_found_out() -> None:
    """The hooks pass over rules of ours, never over a shape that the document leaves out."""
    from tests.fuzz.rules import refused_by_shape

    def refusal(code: str, detail: str = "") -> dict[str, Any]:
        return {"errors": [{"pointer": "/size", "code": code, "detail": detail}]}

    assert refused_by_shape(refusal("string-too-long"), {"size": "x"})
    assert refused_by_shape(refusal("int-type"), {"size": 1.5})
    assert refused_by_shape(refusal("too-long", "List should have at most 1 item"), {})
    assert not refused_by_shape(refusal("int-type"), {"size": 4.0})
    assert not refused_by_shape(refusal("too-long", "At most 60 characters."), {})
    assert not refused_by_shape(refusal("bad-cursor"), {})
    assert not refused_by_shape({"code": "bad-csv-header"}, b"")
