"""The proof of consents: any change of it is found."""

import copy
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from core.domain.consent_proof import chain, digest, is_whole

texts = st.text(max_size=8)
entry = st.fixed_dictionaries(
    {
        "consent_id": texts,
        "action": st.sampled_from(["granted", "revoked"]),
        "evidence": st.dictionaries(texts, texts, max_size=2),
        "audit": st.none() | st.fixed_dictionaries({"sequence": st.integers(1, 9)}),
    }
)


def proof(entries: list[dict[str, Any]]) -> dict[str, Any]:
    made: dict[str, Any] = {"contact_id": "c1", "entries": copy.deepcopy(entries)}
    for item, hashed in zip(made["entries"], chain("c1", entries), strict=True):
        item["hash"] = hashed
    return made | {"digest": digest(made)}


@given(entries=st.lists(entry, max_size=4))
def test_a_proof_is_whole_as_it_was_made(entries: list[dict[str, Any]]) -> None:
    assert is_whole(proof(entries))


@given(entries=st.lists(entry, min_size=1, max_size=4), data=st.data())
def test_a_changed_dropped_or_moved_entry_is_found_even_under_a_new_digest(
    entries: list[dict[str, Any]], data: st.DataObject
) -> None:
    made = proof(entries)
    at = data.draw(st.integers(0, len(entries) - 1))
    kind = data.draw(st.sampled_from(["change", "drop", "swap"]))
    before = copy.deepcopy(made["entries"])
    if kind == "change":
        made["entries"][at]["channel"] = "another"
    elif kind == "drop" and at < len(entries) - 1:
        del made["entries"][at]
    elif kind == "swap" and at > 0:
        made["entries"][at - 1], made["entries"][at] = made["entries"][at], made["entries"][at - 1]
    if made["entries"] != before:
        made["digest"] = digest(made)
        assert not is_whole(made)


def test_a_dropped_last_entry_is_found_by_the_digest() -> None:
    made = proof([{"consent_id": "1"}, {"consent_id": "2"}])
    made["entries"].pop()
    assert not is_whole(made)


def test_what_is_no_proof_is_not_whole() -> None:
    for made in ({}, {"entries": [1], "digest": "x"}, {"entries": [], "digest": 1}):
        assert not is_whole(made)
