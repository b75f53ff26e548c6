"""A corner of its own on a shared RabbitMQ or Redis, given back empty."""

import os
import secrets
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit, urlunsplit

import redis

_LEASE = "carteiro-test-lease"


@contextmanager
def virtual_host(url: str) -> Iterator[str]:
    """The server's URL with a fresh virtual host, or its own one when we may not create any."""
    name = f"carteiro-test-{secrets.token_hex(4)}"
    if not _rabbitmqctl("add_vhost", name):
        yield url
        return
    user = urlsplit(url).username or "guest"
    _rabbitmqctl("set_permissions", "-p", name, user, ".*", ".*", ".*")
    try:
        yield urlunsplit(urlsplit(url)._replace(path=f"/{name}"))
    finally:
        _rabbitmqctl("delete_vhost", name)


@contextmanager
def redis_database(url: str) -> Iterator[str]:
    """An empty numbered database of a Redis that others may use too; emptied afterwards."""
    for number in range(15, 0, -1):
        candidate = urlunsplit(urlsplit(url)._replace(path=f"/{number}"))
        with redis.Redis.from_url(candidate) as client:
            if client.dbsize() == 0 and client.set(_LEASE, os.getpid(), nx=True, ex=3600):
                try:
                    yield candidate
                finally:
                    client.flushdb()
                return
    raise RuntimeError("every numbered database of the local Redis holds keys of somebody else")


def empty_redis(url: str) -> None:
    """Delete every key but the lease."""
    with redis.Redis.from_url(url) as client:
        lease = client.get(_LEASE)
        client.flushdb()
        if lease is not None:
            client.set(_LEASE, lease, ex=3600)


def _rabbitmqctl(*arguments: str) -> bool:
    """Run Debian's rabbitmqctl against the server under test; False when we may not."""
    program = shutil.which("rabbitmqctl", path="/usr/sbin:/usr/bin:/usr/lib/rabbitmq/bin")
    node = os.environ.get("CARTEIRO_TEST_RABBITMQ_NODE")
    command = [program or "", "--quiet"]
    environment = None
    if node:
        # A node of our own: its cookie lies in its own home, readable by us.
        command = ["/usr/lib/rabbitmq/bin/rabbitmqctl", "--quiet", "-n", node]
        environment = {**os.environ, "HOME": os.environ["CARTEIRO_TEST_RABBITMQ_HOME"]}
    if not command[0] or (node is None and os.geteuid() != 0):
        return False
    done = subprocess.run(
        [*command, *arguments], env=environment, capture_output=True, check=False, timeout=60
    )
    return done.returncode == 0
