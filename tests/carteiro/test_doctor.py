"""What the doctor finds on healthy and on broken machines."""

import os
import socket
from pathlib import Path

import pytest

from carteiro.doctor import Finding, Verdict, examine
from carteiro.home import Home
from core.settings import Settings
from tests.support.databases import DatabaseServer

CLOSED = "127.0.0.1:1"


def findings(
    subject: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, **environment: str
) -> list[Finding]:
    environment["CARTEIRO_HOME"] = str(tmp_path / ".carteiro")
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    return [finding for finding in examine(environment) if finding.subject == subject]


def test_a_machine_with_nothing_configured_is_healthy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CARTEIRO_HOME", str(tmp_path))
    found = examine({"CARTEIRO_HOME": str(tmp_path)})
    assert [finding for finding in found if finding.is_broken] == []


@pytest.mark.parametrize(
    ("subject", "variable", "value"),
    [
        ("PostgreSQL", "CARTEIRO_DATABASE_URL", f"postgresql://user:hidden@{CLOSED}/carteiro"),
        ("PostgreSQL", "CARTEIRO_DATABASE_URL", "postgresql://%%%"),
        ("broker", "CARTEIRO_BROKER_URL", f"amqp://user:hidden@{CLOSED}//"),
        ("broker", "CARTEIRO_BROKER_URL", f"redis://:hidden@{CLOSED}/0"),
        ("cache", "CARTEIRO_REDIS_URL", f"redis://:hidden@{CLOSED}/1"),
        ("Cloud API", "CARTEIRO_META_BASE_URL", f"http://{CLOSED}"),
        ("settings", "CARTEIRO_API_PORT", "eighty"),
    ],
)
def test_each_broken_setting_is_found_with_a_remedy_and_no_secret(
    subject: str, variable: str, value: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (finding,) = findings(subject, tmp_path, monkeypatch, **{variable: value})
    assert finding.is_broken
    assert variable in finding.remedy
    assert "hidden" not in finding.detail + finding.remedy


def test_each_broker_and_cache_that_answers_is_good(
    broker_url: str, redis_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (broker,) = findings("broker", tmp_path, monkeypatch, CARTEIRO_BROKER_URL=broker_url)
    (cache,) = findings("cache", tmp_path, monkeypatch, CARTEIRO_REDIS_URL=redis_url)
    # A Valkey of the tests keeps nothing on disk, which is worth a note for a broker.
    expected = Verdict.GOOD if broker_url.startswith("amqp") else Verdict.NOTE
    assert (broker.verdict, cache.verdict) == (expected, Verdict.GOOD)


def test_missing_migrations_are_broken_and_present_ones_good(
    each_database: Settings,
    postgres_server: DatabaseServer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    url = each_database.database_url
    (good,) = findings("migrations", tmp_path, monkeypatch, CARTEIRO_DATABASE_URL=url)
    assert good.verdict is Verdict.GOOD
    with postgres_server.empty_database() as missing:
        url = missing.database_url
        (broken,) = findings("migrations", tmp_path, monkeypatch, CARTEIRO_DATABASE_URL=url)
    assert broken.is_broken
    assert "carteiro db migrate --bootstrap" in broken.remedy


def test_secrets_that_others_can_read_are_broken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = Home(tmp_path / ".carteiro")
    home.prepare()
    home.secrets()
    (private,) = findings("secrets", tmp_path, monkeypatch)
    home.secrets_file.chmod(0o644)
    (opened,) = findings("secrets", tmp_path, monkeypatch)
    assert (private.verdict, opened.verdict) == (Verdict.GOOD, Verdict.BROKEN)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root's databases lie outside the folder")
def test_a_database_whose_folder_was_deleted_is_noted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    system, home = tmp_path / "system", Home(tmp_path / "project" / ".carteiro")
    home.prepare()
    kept, lost = system / home.identity(), system / "0123456789ab"
    for cluster in (kept, lost):
        cluster.mkdir(parents=True)
        (cluster / "home").write_text(f"{home.path}\n")
    monkeypatch.setenv("CARTEIRO_SYSTEM_FOLDER", str(system))
    notes = [f for f in findings("disk", tmp_path, monkeypatch) if f.verdict is Verdict.NOTE]
    assert [note.remedy.split(",")[0] for note in notes] == [f"rm -r {lost}"]


def test_a_port_in_use_is_broken_when_it_was_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = str(other.getsockname()[1])
        (finding,) = [
            finding
            for finding in findings("ports", tmp_path, monkeypatch, CARTEIRO_API_PORT=port)
            if port in finding.detail
        ]
    assert finding.is_broken
