"""Migrated databases for tests: one template for each server, a copy of it for each test."""

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Literal

import psycopg
from psycopg import sql

from core.dsn import parse_dsn, write_url
from core.settings import Settings
from core.store import migrate
from tests.support.settings import make_settings


@dataclass(slots=True, kw_only=True)
class DatabaseServer:
    """A PostgreSQL server on which we may create databases and roles.

    Databases carry this process's id, so that several test processes share a server.
    """

    label: str
    admin_dsn: str
    #: How PostgreSQL copies the template. Copying files takes 0.04 s instead of 0.21 s
    #: (2026-11-23), but begins with a checkpoint: only where nothing is synced to disk.
    strategy: Literal["wal_log", "file_copy"] = "wal_log"
    prefix: str = field(default_factory=lambda: f"carteiro_test_{os.getpid()}_")
    template: str | None = None
    created_roles: list[str] = field(default_factory=list)

    def url(self, database: str) -> str:
        """The address of one of its databases, as the superuser."""
        return write_url({**parse_dsn(self.admin_dsn), "dbname": database})

    @contextmanager
    def migrated_database(self) -> Iterator[Settings]:
        """Settings whose database has every migration applied and no rows; dropped afterwards."""
        if self.template is None:
            self.template = self._make_template()
        name = f"{self.prefix}{secrets.token_hex(4)}"
        self._execute(
            "create database {} template {} strategy {}", name, self.template, self.strategy
        )
        # A copy does not carry the grants on the database itself.
        self._execute("grant create on database {} to carteiro_owner", name)
        try:
            yield make_settings(database_url=self.url(name))
        finally:
            self.drop_all(name)

    @contextmanager
    def empty_database(self) -> Iterator[Settings]:
        """Settings whose databases do not exist yet; whatever was created is dropped afterwards."""
        name = f"{self.prefix}{secrets.token_hex(4)}"
        try:
            yield make_settings(database_url=self.url(name))
        finally:
            self.drop_all(name)

    def drop_all(self, name: str) -> None:
        """Drop a database and those named after it (`_warehouse`, `_dagster`)."""
        for suffix in ("", "_warehouse", "_dagster"):
            self._execute("drop database if exists {} with (force)", name + suffix)

    def close(self) -> None:
        """Drop the template, and the roles when this run created them and nobody else uses them."""
        if self.template is not None:
            self.drop_all(self.template)
            self.template = None
        for role in self.created_roles:
            try:
                self._execute("drop role if exists {}", role)
            except psycopg.errors.DependentObjectsStillExist:
                continue

    def _make_template(self) -> str:
        name = f"{self.prefix}template"
        self.drop_all(name)
        settings = make_settings(database_url=self.url(name))
        created = migrate.bootstrap(settings)
        self.created_roles = [
            item.removeprefix("role ") for item in created if item.startswith("role ")
        ]
        migrate.upgrade(settings)
        return name

    def _execute(self, statement: str, *names: str) -> None:
        identifiers = [sql.Identifier(name) for name in names]
        with psycopg.connect(self.admin_dsn, autocommit=True) as connection:
            connection.execute(sql.SQL(statement).format(*identifiers))
