"""Every setting of the product, read from environment variables that begin with CARTEIRO_.

No file is read: what runs is what the environment says. `Settings()` accepts missing addresses and
keys, so that commands which don't need them work; the methods that hand them out raise
ConfigurationError naming the variable to set. No method logs or prints a secret.
"""

import re
from functools import lru_cache
from pathlib import Path
from typing import Final, Literal, Self

from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from core.domain.destinations import DestinationRules, parse_networks
from core.dsn import DatabaseRole, for_sqlalchemy, parse_dsn, with_database_suffix, with_role
from core.errors import ConfigurationError

__all__ = ["DatabaseRole", "Settings", "get_settings"]

ENV_PREFIX: Final = "CARTEIRO_"
_BROKER_SCHEMES: Final = ("redis", "rediss", "redis+socket", "amqp", "amqps")
_ORIGIN: Final = re.compile(r"https?://[a-z0-9.-]{1,253}(:[1-9][0-9]{0,4})?", re.ASCII)
_ADVICE: Final = {
    "database_url": "the PostgreSQL address of database carteiro, e.g. postgresql://user@host/carteiro",
    "broker_url": "redis://host:6379/0 or amqp://user:password@host:5672/",
    "redis_url": "redis://host:6379/1",
    "secret_key": "32 random bytes in base64 (openssl rand -base64 32)",
    "meta_app_secret": "the app secret of the Meta app that signs the webhooks",
    "meta_verify_token": "the verify token entered beside the webhook address at Meta",
}


class Settings(BaseSettings):
    """The settings of one process, checked once at start."""

    model_config = SettingsConfigDict(
        env_prefix=ENV_PREFIX, env_file=None, extra="ignore", frozen=True, hide_input_in_errors=True
    )

    home: Path = Path(".carteiro")
    environment: Literal["local", "ci", "production"] = "local"
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    log_format: Literal["json", "console"] = "json"

    database_url: str = Field(default="", repr=False)
    owner_database_url: str | None = Field(default=None, repr=False)
    migrator_database_url: str | None = Field(default=None, repr=False)
    app_database_url: str | None = Field(default=None, repr=False)
    app_database_pooled: bool = False
    worker_database_url: str | None = Field(default=None, repr=False)
    data_database_url: str | None = Field(default=None, repr=False)
    operator_database_url: str | None = Field(default=None, repr=False)
    readonly_database_url: str | None = Field(default=None, repr=False)
    warehouse_url: str | None = Field(default=None, repr=False)
    dagster_database_url: str | None = Field(default=None, repr=False)
    broker_url: str = Field(default="", repr=False)
    redis_url: str = Field(default="", repr=False)

    meta_base_url: str = "https://graph.facebook.com"
    meta_api_version: str = Field(default="v26.0", pattern=r"^v\d{1,3}\.\d{1,2}$")
    meta_app_secret: SecretStr = SecretStr("")
    meta_app_secret_previous: SecretStr | None = None
    meta_verify_token: SecretStr = SecretStr("")

    secret_key: SecretStr = SecretStr("")
    secret_key_previous: SecretStr | None = None
    jwt_private_key: SecretStr | None = None

    lake_url: str = ""
    exports_dir: Path = Path()

    api_host: str = "127.0.0.1"
    api_port: int = Field(default=8000, ge=1, le=65535)
    api_base_url: str = ""
    drain_seconds: int = Field(default=8, ge=0, le=20)
    trusted_proxies: str = ""
    cors_origins: str = ""
    rate_limits: str = ""
    rate_limit_tenants: str = ""
    sandbox_port: int = Field(default=8010, ge=0, le=65535)
    dagster_port: int = Field(default=3000, ge=1, le=65535)

    metrics_port: int | None = Field(default=None, ge=1, le=65535)

    in_doubt_quiet_seconds: int = Field(default=900, ge=1)
    in_doubt_give_up_seconds: int = Field(default=86_400, ge=1)
    held_limit_seconds: int = Field(default=86_400, ge=1)
    campaign_limit_days: int = Field(default=30, ge=1, le=365)
    ttl_buffer_seconds: int = Field(default=3_600, ge=0)
    inbound_retention_days: int = Field(default=365, ge=1, le=36_500)
    lease_seconds: int = Field(default=60, ge=1)
    stalled_seconds: int = Field(default=120, ge=5)
    import_wait_seconds: int = Field(default=600, ge=5)
    send_timeout_seconds: int = Field(default=30, ge=1)
    meta_max_connections: int = Field(default=200, ge=1, le=10_000)
    partition_days_ahead: int = Field(default=14, ge=1, le=400)

    webhook_allow_http: bool = False
    webhook_ports: str = "443,8443"
    webhook_allowed_networks: str = ""
    webhook_max_endpoints: int = Field(default=10, ge=1, le=1_000)
    webhook_timeout_seconds: int = Field(default=15, ge=1, le=60)
    webhook_disable_after_days: int = Field(default=5, ge=1, le=60)
    webhook_endpoint_concurrency: int = Field(default=16, ge=1, le=1_000)
    webhook_max_in_flight: int = Field(default=400, ge=1, le=10_000)

    @field_validator("home", "exports_dir", mode="after")
    @classmethod
    def _absolute(cls, value: Path) -> Path:
        """Relative folders belong to where the process was started, also after it moves."""
        return value if value == Path() else value.expanduser().absolute()

    @field_validator("meta_base_url", "api_base_url", mode="after")
    @classmethod
    def _http_address(cls, value: str) -> str:
        if value and not value.startswith(("http://", "https://")):
            raise ValueError("must begin with http:// or https://")
        return value.rstrip("/")

    @field_validator("broker_url", mode="after")
    @classmethod
    def _known_broker(cls, value: str) -> str:
        if value and value.split("://", maxsplit=1)[0] not in _BROKER_SCHEMES:
            raise ValueError(f"must begin with one of {', '.join(_BROKER_SCHEMES)}")
        return value

    @field_validator("webhook_ports", mode="after")
    @classmethod
    def _port_numbers(cls, value: str) -> str:
        parts = [part.strip() for part in value.split(",")]
        if not all(part.isascii() and part.isdigit() and 0 < int(part) < 65_536 for part in parts):
            raise ValueError("must be port numbers separated by commas, e.g. 443,8443")
        return value

    @field_validator("cors_origins", mode="after")
    @classmethod
    def _origins(cls, value: str) -> str:
        parts = [part.strip() for part in value.split(",") if part.strip()]
        if not all(_ORIGIN.fullmatch(part) for part in parts):
            raise ValueError("must be origins (https://host) separated by commas; * is none")
        return ",".join(parts)

    @field_validator("webhook_allowed_networks", "trusted_proxies", mode="after")
    @classmethod
    def _networks(cls, value: str) -> str:
        parse_networks(value)
        return value

    @model_validator(mode="before")
    @classmethod
    def _empty_is_unset(cls, values: object) -> object:
        """An empty variable means what an absent one means; compose files write empty ones."""
        if not isinstance(values, dict):
            return values
        return {key: value for key, value in values.items() if value != ""}

    @model_validator(mode="after")
    def _derive(self) -> Self:
        self._fill("home", self.home.absolute(), when=not self.home.is_absolute())
        self._fill("lake_url", str(self.home / "lake"), when=not self.lake_url)
        self._fill("exports_dir", self.home / "exports", when=self.exports_dir == Path())
        derived = f"http://{self.api_host}:{self.api_port}"
        self._fill("api_base_url", derived, when=not self.api_base_url)
        if self.send_timeout_seconds >= self.lease_seconds:
            # A lease that ends during the call would let a second worker send the same message.
            raise ValueError("lease_seconds must be longer than send_timeout_seconds")
        return self

    def _fill(self, name: str, value: object, *, when: bool) -> None:
        if when:
            object.__setattr__(self, name, value)

    def dsn(self, role: DatabaseRole) -> str:
        """The address of database `carteiro` for a role, as a URL.

        CARTEIRO_<ROLE>_DATABASE_URL when set, used as it is; else CARTEIRO_DATABASE_URL with
        `SET ROLE carteiro_<role>` at the start of each session. Raises ConfigurationError.
        """
        own: str | None = getattr(self, f"{role.value}_database_url")
        return own or with_role(self.require("database_url"), role)

    def sqlalchemy_url(self, role: DatabaseRole) -> str:
        """The same address for SQLAlchemy with psycopg 3 (Alembic)."""
        return for_sqlalchemy(self.dsn(role), driver="psycopg")

    def warehouse_dsn(self) -> str:
        """The address of the warehouse: by default `<name>_warehouse` on the same server."""
        return self.warehouse_url or self._beside("_warehouse")

    def dagster_dsn(self) -> str:
        """The address of Dagster's database: by default `<name>_dagster` on the same server."""
        return self.dagster_database_url or self._beside("_dagster")

    def _beside(self, suffix: str) -> str:
        return with_database_suffix(self.require("database_url"), suffix)

    def require(self, name: str) -> str:
        """A setting that may be missing. Raises ConfigurationError naming its variable."""
        value: str | SecretStr | None = getattr(self, name)
        plain = value.get_secret_value() if isinstance(value, SecretStr) else value
        if not plain:
            raise ConfigurationError(_missing(name))
        return plain

    def meta_app_secrets(self) -> tuple[bytes, ...]:
        """The app secrets that may have signed a webhook, the current one first.

        Raises ConfigurationError when none is set: an unset secret never means that all may pass.
        """
        current = self.require("meta_app_secret").encode()
        previous = self.meta_app_secret_previous
        return (current, previous.get_secret_value().encode()) if previous else (current,)

    def problems(self) -> list[str]:
        """What is still missing before all parts can run, one sentence each; empty when ready."""
        found = [_missing(name) for name in _ADVICE if not _is_set(getattr(self, name))]
        if self.environment == "production" and self.api_base_url.startswith("http://"):
            found.append("CARTEIRO_API_BASE_URL: set the public https:// address of the API")
        if self.environment == "production" and self.webhook_allow_http:
            found.append(
                "CARTEIRO_WEBHOOK_ALLOW_HTTP: unset it, tenants' events must not go in clear"
            )
        for name in ("database_url", "warehouse_url", "dagster_database_url"):
            found.extend(_unreadable(name, getattr(self, name)))
        return found

    def destination_rules(self) -> DestinationRules:
        """Where tenants' webhooks may go."""
        return DestinationRules(
            ports=frozenset(int(port) for port in self.webhook_ports.split(",")),
            allow_http=self.webhook_allow_http,
            allowed_networks=parse_networks(self.webhook_allowed_networks),
        )

    def check_ready(self) -> None:
        """Raises ConfigurationError that lists all `problems` at once."""
        found = self.problems()
        if found:
            raise ConfigurationError("; ".join(found))


@lru_cache(maxsize=1)
def get_settings() -> Settings:
    """The settings of this process, read once. Raises ConfigurationError naming each bad variable.

    Tests that change the environment call `get_settings.cache_clear()`.
    """
    try:
        return Settings()
    except ValidationError as error:
        raise ConfigurationError("; ".join(_complaints(error))) from None


def _complaints(error: ValidationError) -> list[str]:
    """One sentence a bad variable, never with its value, for that may be a secret."""
    return [
        f"{ENV_PREFIX}{'_'.join(str(part) for part in item['loc']).upper()}: {item['msg']}"
        for item in error.errors(include_input=False, include_url=False)
    ]


def _missing(name: str) -> str:
    return f"{ENV_PREFIX}{name.upper()} is not set: set it to {_ADVICE.get(name, 'a value')}"


def _is_set(value: str | SecretStr) -> bool:
    return bool(value.get_secret_value() if isinstance(value, SecretStr) else value)


def _unreadable(name: str, value: str | None) -> list[str]:
    try:
        parse_dsn(value or "")
    except ConfigurationError:
        return [f"{ENV_PREFIX}{name.upper()} is not a PostgreSQL address"]
    return []
