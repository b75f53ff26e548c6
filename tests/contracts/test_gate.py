"""The released copy is the contract: what breaks it needs another major version."""

import hashlib
import json
from copy import deepcopy

import pytest

from api.openapi import operations
from carteiro.commands.contract import as_text
from tests.contracts import edits
from tests.contracts.gate import Bump, bump_between, copy_of, needed_bumps, releases, version_of
from tests.support.contract import document

HOW = "`make openapi` writes the copy; docs/versioning.md says which part of VERSION must rise"


def test_the_copy_of_this_version_is_what_the_api_serves() -> None:
    version = document()["info"]["version"]
    assert copy_of(version).exists(), f"there is no copy of {version}: {HOW}"
    same = copy_of(version).read_text("utf-8") == as_text(document())
    assert same, f"the copy of {version} isn't what the API serves: {HOW}"


def test_no_released_copy_was_edited() -> None:
    for version, release in releases().items():
        digest = hashlib.sha256(copy_of(version).read_bytes()).hexdigest()
        assert digest == release["sha256"], f"{version} is released: its copy stays as it is"


def test_what_changed_since_the_last_release_fits_the_version() -> None:
    if not releases():
        # Before the first release the copy follows the code.
        assert version_of(document()) == (1, 0, 0)
        return
    released = json.loads(copy_of(list(releases())[-1]).read_text("utf-8"))
    (needed, reasons), *_ = needed_bumps([(released, document())])
    risen = bump_between(released, document())
    assert risen >= needed, f"VERSION (api/app.py) must rise by {needed.name}: {reasons[:5]}"


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_twenty_five_edits_are_told_apart() -> None:
    planted = [*edits.BREAKING, *edits.HARMLESS]
    assert (len(edits.BREAKING), len(edits.HARMLESS)) == (15, 10)
    pairs = []
    for edit in planted:
        edited = deepcopy(document())
        edit(edited)
        assert edited != document(), edit.__name__
        pairs.append((document(), edited))
    found = {
        edit.__name__: bump for edit, (bump, _) in zip(planted, needed_bumps(pairs), strict=True)
    }
    expected = {edit.__name__: Bump.MAJOR for edit in edits.BREAKING}
    expected |= {edit.__name__: Bump.MINOR for edit in edits.HARMLESS}
    expected["_say_it_better"] = Bump.PATCH
    assert found == expected


def test_what_we_post_is_judged_as_an_answer() -> None:
    """Seen as a request, a member that is gone would look harmless, and a new one breaking."""
    less, more = deepcopy(document()), deepcopy(document())
    for edited in (less, more):
        post = edited["webhooks"]["message.failed"]["post"]
        data = post["requestBody"]["content"]["application/json"]["schema"]["properties"]["data"]
        if edited is less:
            del data["properties"]["contact_id"]
            data["required"].remove("contact_id")
        else:
            data["properties"]["retries"] = {"type": "integer"}
    (gone, _), (new, _) = needed_bumps([(document(), less), (document(), more)])
    assert (gone, new) == (Bump.MAJOR, Bump.MINOR)


def test_versions_rise_by_their_parts() -> None:
    def versioned(version: str) -> dict[str, object]:
        return {"info": {"version": version}}

    steps = {"1.2.3": Bump.NONE, "1.2.4": Bump.PATCH, "1.3.0": Bump.MINOR, "2.0.0": Bump.MAJOR}
    for version, bump in {**steps, "1.2.2": Bump.NONE, "1.1.9": Bump.NONE}.items():
        assert bump_between(versioned("1.2.3"), versioned(version)) == bump


def test_every_path_carries_the_major_version() -> None:
    major = version_of(document())[0]
    for _, path, operation in operations(document()):
        if operation["security"]:
            assert path.startswith(f"/v{major}/"), path
