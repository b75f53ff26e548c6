"""Settings: read from the environment, complete or clear about what is missing."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from psycopg.conninfo import conninfo_to_dict
from sqlalchemy.engine import make_url

from core.dsn import parse_dsn, write_url
from core.errors import ConfigurationError
from core.settings import DatabaseRole, Settings, get_settings

SOCKET = "postgresql://postgres@/carteiro?host=/tmp/a%20folder"
TCP = "postgresql://own%40er:p%40ss%2Fw%3Ard@db.example:6543/carteiro?sslmode=require"


@pytest.fixture(autouse=True)
def _clean(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    import os

    for name in [name for name in os.environ if name.startswith("CARTEIRO_")]:
        monkeypatch.delenv(name)
    get_settings.cache_clear()
    yield
    get_settings.cache_clear()


def parts(dsn: str) -> dict[str, object]:
    """What libpq itself reads."""
    return {key: value for key, value in conninfo_to_dict(dsn).items() if value is not None}


@pytest.mark.parametrize("role", list(DatabaseRole))
@pytest.mark.parametrize(
    "dsn",
    [
        SOCKET,
        TCP,
        "host=/tmp/a dbname=carteiro user=postgres",
        "postgresql://[::1]:5433/carteiro",
        "postgresql://u@/carteiro?host=a,b&port=1,2",
        "postgresql+psycopg://u@h/carteiro",
    ],
)
def test_each_role_gets_the_same_server_and_its_own_rights(dsn: str, role: DatabaseRole) -> None:
    before = parts(dsn.replace("+psycopg", ""))
    after = parts(Settings(database_url=dsn).dsn(role))
    options = str(after.pop("options"))
    assert after == before
    assert f"-c role=carteiro_{role.value}" in options


def test_options_that_were_there_are_kept() -> None:
    dsn = SOCKET + "&options=-c%20statement_timeout%3D5s"
    options = str(parts(Settings(database_url=dsn).dsn(DatabaseRole.APP))["options"])
    assert options.startswith("-c statement_timeout=5s -c role=carteiro_app")


def test_an_address_of_its_own_is_used_as_it_is() -> None:
    settings = Settings(database_url=TCP, worker_database_url="postgresql://w@h/carteiro")
    assert settings.dsn(DatabaseRole.WORKER) == "postgresql://w@h/carteiro"
    assert "db.example" in settings.dsn(DatabaseRole.APP)


@pytest.mark.parametrize("dsn", [SOCKET, TCP])
def test_warehouse_and_dagster_lie_beside_the_database(dsn: str) -> None:
    settings = Settings(database_url=dsn)
    own = parts(dsn)
    assert parts(settings.warehouse_dsn()) == {**own, "dbname": "carteiro_warehouse"}
    assert parts(settings.dagster_dsn()) == {**own, "dbname": "carteiro_dagster"}
    assert Settings(database_url=dsn, warehouse_url="postgresql://w/x").warehouse_dsn() == (
        "postgresql://w/x"
    )


@pytest.mark.parametrize("dsn", [SOCKET, TCP])
def test_sqlalchemy_reads_the_same_address(dsn: str) -> None:
    url = make_url(Settings(database_url=dsn).sqlalchemy_url(DatabaseRole.MIGRATOR))
    own = parts(dsn)
    assert url.drivername == "postgresql+psycopg"
    assert url.username == own["user"]
    assert url.password == own.get("password")
    assert url.database == "carteiro"
    assert (url.host or url.query["host"]) == own["host"]


def test_every_part_of_an_address_survives_writing_and_reading() -> None:
    odd = {
        "user": "a:b@c/d",
        "password": "p?&=%# ü",
        "host": "/tmp/x?y&z",
        "dbname": "d/b?é",
        "options": "-c a=b",
    }
    assert parse_dsn(write_url(odd)) == odd


def test_a_broken_address_is_named_and_not_quoted() -> None:
    broken = "postgresql://u:canary@h/x?canary=1"
    with pytest.raises(ConfigurationError) as raised:
        Settings(database_url=broken).dsn(DatabaseRole.APP)
    assert "canary" not in str(raised.value)
    problems = "; ".join(Settings(database_url=broken).problems())
    assert "CARTEIRO_DATABASE_URL is not a PostgreSQL address" in problems
    assert "canary" not in problems


def test_what_is_missing_is_said_with_the_variable_to_set() -> None:
    settings = Settings()
    for name in ("database_url", "broker_url", "redis_url", "secret_key", "meta_app_secret"):
        with pytest.raises(ConfigurationError, match=f"CARTEIRO_{name.upper()} is not set"):
            settings.require(name)
    with pytest.raises(ConfigurationError, match="CARTEIRO_DATABASE_URL"):
        settings.dsn(DatabaseRole.APP)
    with pytest.raises(ConfigurationError, match="CARTEIRO_META_VERIFY_TOKEN"):
        settings.check_ready()


def test_a_complete_environment_has_no_problems() -> None:
    settings = Settings(
        database_url=TCP,
        broker_url="amqp://mq/",
        redis_url="redis://r/1",
        secret_key="k",
        meta_app_secret="s",
        meta_verify_token="v",
    )
    assert settings.problems() == []
    settings.check_ready()


def test_an_unset_app_secret_never_means_that_all_may_pass() -> None:
    with pytest.raises(ConfigurationError, match="CARTEIRO_META_APP_SECRET"):
        Settings().meta_app_secrets()


def test_two_app_secrets_hold_while_one_replaces_the_other(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("CARTEIRO_META_APP_SECRET", "new")
    assert get_settings().meta_app_secrets() == (b"new",)
    monkeypatch.setenv("CARTEIRO_META_APP_SECRET_PREVIOUS", "old")
    get_settings.cache_clear()
    assert get_settings().meta_app_secrets() == (b"new", b"old")


def test_an_empty_variable_is_an_unset_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CARTEIRO_API_PORT", "")
    monkeypatch.setenv("CARTEIRO_WAREHOUSE_URL", "")
    assert get_settings().api_port == 8000
    assert get_settings().warehouse_url is None


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("API_PORT", "canary"),
        ("API_PORT", "70000"),
        ("BROKER_URL", "kafka://canary"),
        ("META_BASE_URL", "canary"),
        ("META_API_VERSION", "canary"),
        ("LEASE_SECONDS", "0"),
    ],
)
def test_a_wrong_variable_is_named_without_its_value(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(f"CARTEIRO_{name}", value)
    with pytest.raises(ConfigurationError) as raised:
        get_settings()
    assert f"CARTEIRO_{name}" in str(raised.value)
    assert "canary" not in str(raised.value)


def test_a_lease_outlasts_the_call_it_covers() -> None:
    with pytest.raises(ValueError, match="lease_seconds must be longer"):
        Settings(lease_seconds=30, send_timeout_seconds=30)


def test_no_env_file_is_read(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("CARTEIRO_API_PORT=9999\n")
    monkeypatch.chdir(tmp_path)
    assert get_settings().api_port == 8000


def test_folders_are_absolute_and_follow_home(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    assert Settings().home == tmp_path / ".carteiro"
    settings = Settings(home=Path("data"))
    assert settings.lake_url == str(tmp_path / "data" / "lake")
    assert settings.exports_dir == tmp_path / "data" / "exports"
    assert Settings(lake_url="s3://bucket/lake").lake_url == "s3://bucket/lake"


def test_no_secret_shows_in_the_printed_settings() -> None:
    settings = Settings(
        database_url=TCP,
        broker_url="amqp://u:canary@mq/",
        secret_key="canary",
        meta_app_secret="canary",
    )
    assert "canary" not in repr(settings)
    assert "p%40ss" not in repr(settings)
