"""Fixtures every test may use: real servers, migrated databases, settings.

`database`, `valkey_url` need nothing installed. `each_database`, `broker_url`, `redis_url` run a
test once on the embedded server and once on the real one found on this machine; without it the
second run is skipped and listed at the end, and with CI=true it fails.
"""

from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest

from core.settings import Settings
from tests.support import brokers, services
from tests.support.databases import DatabaseServer
from tests.support.embedded import embedded_postgres, embedded_valkey
from tests.support.settings import forget_product_environment


def pytest_addoption(parser: pytest.Parser) -> None:
    """How long the test of probes asks, and with which values: `make probes`."""
    parser.addoption("--probes", type=int, default=500, help="questions about the other tenant")
    parser.addoption("--probe-seed", type=int, default=1, help="what the questions are drawn from")


def pytest_configure(config: pytest.Config) -> None:
    # How long an example takes says what else the machine does, and is no finding.
    hypothesis.settings.register_profile("carteiro", deadline=None)
    hypothesis.settings.load_profile("carteiro")
    forget_product_environment()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests on the shared RabbitMQ or Redis run in one worker, one after the other."""
    for item in items:
        callspec = getattr(item, "callspec", None)
        values = list(callspec.params.values()) if callspec else []
        for shared in ("rabbitmq", "redis"):
            if shared in values:
                item.add_marker(pytest.mark.xdist_group(shared))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say loudly what was not covered for want of a server."""
    missing: dict[str, int] = {}
    for report in terminalreporter.stats.get("skipped", []):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else ""
        _, found, name = reason.partition(services.NOT_COVERED)
        if found:
            missing[name] = missing.get(name, 0) + 1
    for name, count in sorted(missing.items()):
        terminalreporter.write_line(
            f"NOT COVERED: {count} tests need a {name} that was not found", red=True, bold=True
        )


def _require(service: services.Service) -> str:
    url = service.url()
    if url is None and services.in_ci():
        pytest.fail(f"CI=true and {services.NOT_COVERED}{service.name}", pytrace=False)
    if url is None:
        pytest.skip(f"{services.NOT_COVERED}{service.name}")
    return url


@pytest.fixture(scope="session")
def embedded_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DatabaseServer]:
    """The embedded PostgreSQL 18 of this test process."""
    with embedded_postgres(tmp_path_factory.mktemp("postgres")) as server:
        yield DatabaseServer(label="embedded", admin_dsn=server.dsn(), strategy="file_copy")


@pytest.fixture(scope="session")
def local_server() -> Iterator[DatabaseServer]:
    """The PostgreSQL found on this machine (15 on Debian 12)."""
    server = DatabaseServer(label="local", admin_dsn=_require(services.POSTGRES))
    yield server
    server.close()


@pytest.fixture(params=["embedded", "local"])
def postgres_server(request: pytest.FixtureRequest) -> DatabaseServer:
    """Each PostgreSQL in turn."""
    server: DatabaseServer = request.getfixturevalue(f"{request.param}_server")
    return server


@pytest.fixture(scope="session")
def admin_dsn(embedded_server: DatabaseServer) -> str:
    """Superuser address of the embedded server's maintenance database."""
    return embedded_server.admin_dsn


@pytest.fixture
def database(embedded_server: DatabaseServer) -> Iterator[Settings]:
    """Settings of a fresh, migrated, empty database on the embedded PostgreSQL."""
    with embedded_server.migrated_database() as settings:
        yield settings


@pytest.fixture
def each_database(postgres_server: DatabaseServer) -> Iterator[Settings]:
    """Like `database`, once on each PostgreSQL."""
    with postgres_server.migrated_database() as settings:
        yield settings


@pytest.fixture
def data_databases(database: Settings) -> Settings:
    """`database` with its warehouse and Dagster databases beside it; all dropped together."""
    from core.store import migrate

    migrate.bootstrap(database)
    return database


@pytest.fixture(scope="session")
def _valkey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with embedded_valkey(tmp_path_factory.mktemp("valkey")) as server:
        yield server.url()


@pytest.fixture
def valkey_url(_valkey: str) -> str:
    """The embedded Valkey, empty."""
    brokers.empty_redis(_valkey)
    return _valkey


@pytest.fixture(scope="session")
def _rabbitmq() -> Iterator[str]:
    with brokers.virtual_host(_require(services.RABBITMQ)) as url:
        yield url


@pytest.fixture(scope="session")
def _redis() -> Iterator[str]:
    with brokers.redis_database(_require(services.REDIS)) as url:
        yield url


@pytest.fixture
def rabbitmq_url(_rabbitmq: str) -> str:
    """A virtual host on the real RabbitMQ; queues of earlier tests may still be there."""
    return _rabbitmq


@pytest.fixture(params=["valkey", "rabbitmq"])
def broker_url(request: pytest.FixtureRequest) -> str:
    """Each broker in turn."""
    url: str = request.getfixturevalue(f"{request.param}_url")
    return url


@pytest.fixture(params=["valkey", "redis"])
def redis_url(request: pytest.FixtureRequest) -> str:
    """Each cache server in turn, empty."""
    if request.param == "valkey":
        url: str = request.getfixturevalue("valkey_url")
        return url
    url = request.getfixturevalue("_redis")
    brokers.empty_redis(url)
    return url


@pytest.fixture(scope="session")
def project_folder() -> Path:
    """The root of the repository."""
    return Path(__file__).resolve().parents[1]
