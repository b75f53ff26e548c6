"""Logs: one JSON object a line on stderr, from our code and from every library alike.

Every line passes `core.masking`; there is no way round it, for standard library loggers end in the
same handler. Uvicorn's access log is off: it would print addresses and query strings.
"""

import logging
import os
import sys
from collections.abc import MutableMapping
from typing import Any, Final, TextIO

import orjson
import structlog

from core.masking import describe_exception, mask_event
from core.settings import get_settings

_SILENT: Final = ("uvicorn.access", "aiohttp.access")
_QUIET: Final = ("asyncio", "kombu", "amqp", "urllib3", "alembic", "dagster")

# structlog types its events so; nothing of them crosses this module's border.
_Event = MutableMapping[str, Any]


def configure_logging(component: str, *, stream: TextIO | None = None) -> None:
    """Route everything logged in this process through one masked handler; may be called again.

    `component` names the process in every line (api, worker, pacer ...). Level and format come
    from CARTEIRO_LOG_LEVEL and CARTEIRO_LOG_FORMAT.
    """
    settings = get_settings()
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(_formatter(component, console=settings.log_format == "console"))
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(settings.log_level)
    for name in list(logging.root.manager.loggerDict):
        _unhook(logging.getLogger(name))
    for name in _SILENT:
        logging.getLogger(name).disabled = True
    for name in _QUIET:
        logging.getLogger(name).setLevel(max(logging.WARNING, root.level))
    logging.captureWarnings(True)
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.stdlib.filter_by_level,
            structlog.stdlib.PositionalArgumentsFormatter(),
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )


def get_logger(name: str) -> structlog.stdlib.BoundLogger:
    """A logger; the first argument of a call is a sentence without values, facts go into keys.

    Keys that aren't in `core.masking.ALLOWED_KEYS` are dropped and counted.
    """
    logger: structlog.stdlib.BoundLogger = structlog.stdlib.get_logger(name)
    return logger


def _mask_until_configured() -> None:
    """What is logged before or without `configure_logging` is masked as well."""
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.stdlib.add_log_level,
            structlog.stdlib.PositionalArgumentsFormatter(),
            _describe,
            _mask,
            _to_json,
        ],
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )


def _unhook(logger: logging.Logger) -> None:
    """A library's own handler would print past the mask."""
    logger.handlers = []
    logger.propagate = True


def _formatter(component: str, *, console: bool) -> logging.Formatter:
    def add_origin(_logger: object, _method: str, event: _Event) -> _Event:
        event["component"] = component
        event["pid"] = os.getpid()
        return event

    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[structlog.contextvars.merge_contextvars],
        processors=[
            structlog.stdlib.add_logger_name,
            structlog.stdlib.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            add_origin,
            _describe,
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            _mask,
            structlog.dev.ConsoleRenderer(colors=False) if console else _to_json,
        ],
    )


def _describe(_logger: object, _method: str, event: _Event) -> _Event:
    """Puts a description in place of an exception, before anything can print its text."""
    record = event.get("_record")
    given = event.pop("exc_info", None) or getattr(record, "exc_info", None)
    if given is True:
        given = sys.exc_info()
    error = given[1] if isinstance(given, tuple) else given
    if isinstance(error, BaseException):
        event["exception"] = describe_exception(error)
    event.pop("stack_info", None)
    return event


def _mask(_logger: object, _method: str, event: _Event) -> _Event:
    return mask_event(event)


def _to_json(_logger: object, _method: str, event: _Event) -> str:
    return orjson.dumps(event, default=lambda value: f"<{type(value).__name__}>").decode()


_mask_until_configured()
