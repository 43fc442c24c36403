"""Structured logs: structlog in front, the standard library's handlers behind, so that libraries' lines look alike."""

import logging
import re
import sys
from typing import Literal

import structlog
from structlog.stdlib import BoundLogger
from structlog.typing import Processor

_USERINFO = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*://)[^/\s@'\"]*@")
_QUERY = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*://[^\s?'\"]*\?)[^\s'\"#]+")
_NOISY = ("uvicorn.access", "httpx", "httpcore", "alembic.runtime.plugins")


def configure_logging(service: str, log_format: Literal["json", "console"] = "json", level: str = "info") -> None:
    """Sends every log line of the process to stdout, one JSON object a line or coloured text, with `service` bound."""
    shared = _shared_processors(service)
    structlog.configure(
        processors=[structlog.stdlib.filter_by_level, *shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(foreign_pre_chain=shared, processors=_rendering(log_format))
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for name in _NOISY:
        logging.getLogger(name).setLevel(logging.WARNING)


def get_logger(name: str) -> BoundLogger:
    """A logger whose calls take an event (a constant sentence) and key-value pairs."""
    logger: BoundLogger = structlog.stdlib.get_logger(name)
    return logger


def _redact(_logger: object, _method: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    for name, value in event.items():
        if isinstance(value, str):
            event[name] = without_secrets(value)
    return event


def without_secrets(text: str) -> str:
    """The text with `***` for what stands before the `@` in a URL, and for the values of a query."""
    return _QUERY.sub(r"\1***", _USERINFO.sub(r"\1***@", text))


def _shared_processors(service: str) -> list[Processor]:
    def add_service(_logger: object, _method: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
        event.setdefault("service", service)
        return event

    return [
        structlog.contextvars.merge_contextvars,
        add_service,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.stdlib.PositionalArgumentsFormatter(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
    ]


def _rendering(log_format: Literal["json", "console"]) -> list[Processor]:
    remove_meta = structlog.stdlib.ProcessorFormatter.remove_processors_meta
    if log_format == "console":
        # Not the default, rich's traceback: it shows the values of local variables.
        renderer = structlog.dev.ConsoleRenderer(
            colors=sys.stdout.isatty(), exception_formatter=structlog.dev.plain_traceback
        )
        return [remove_meta, structlog.processors.format_exc_info, _redact, renderer]
    return [remove_meta, structlog.processors.format_exc_info, _redact, structlog.processors.JSONRenderer(default=str)]
