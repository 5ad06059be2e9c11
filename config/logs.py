"""How a log line looks: one line of key=value pairs or of JSON, the same for our code, libraries and servers."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Mapping
from typing import Any

import structlog
from structlog.typing import Processor, WrappedLogger

SHARED: list[Processor] = [
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_log_level,
    structlog.stdlib.add_logger_name,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    structlog.processors.format_exc_info,
]
FORMATS: Mapping[str, Processor] = {
    "logfmt": structlog.processors.LogfmtRenderer(
        key_order=["timestamp", "level", "logger", "event"], bool_as_flag=False
    ),
    "json": structlog.processors.JSONRenderer(default=str),
}
FORMAT = "SLIPWAY_LOG_FORMAT"

_LINK = re.compile(r"(?<!members)((?:/|%2F)(?:invitations|downloads)(?:/|%2F|\?|%3F))[^\s\"'?&#]*", re.IGNORECASE)
"""The address of an invitation or of a signed download."""
_KEY = re.compile(r"slpw_[\w-]{7,}", re.ASCII)
"""More of a key than what people tell keys apart by, which is its first eleven characters."""
_TOKEN = re.compile(r"(?<![\w-])(?=[\w-]*[A-Z])[\w-]{20,}", re.ASCII)
"""What looks like one, or a part of one; names in tracebacks and ids of requests have no capitals, as a rule."""


UNAVAILABLE = 503


def hide_secrets(_logger: WrappedLogger, _method: str, line: str) -> str:
    """The rendered line without API keys, and without the tokens of invitations and downloads: whoever has one gets in.

    A key belongs into a header and is in an address by mistake; a token is in its link. This comes last, so that it
    sees what libraries logged, tracebacks and addresses inside of addresses, too. A link may have been pasted with
    something before the token, so what follows such an address is looked at, too.
    """
    line = _KEY.sub("slpw_***", line)
    found = _LINK.search(line)
    if found is None:
        return line
    return line[: found.start()] + _TOKEN.sub("***", _LINK.sub(r"\1***", line[found.start() :]))


def configure() -> None:
    """Send structlog's events through the standard library's handlers, and Python's warnings, too."""
    logging.captureWarnings(True)
    structlog.configure(
        processors=[*SHARED, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )


def formatter() -> logging.Formatter:
    """What makes lines of records. The web server's first process asks for it by name (config/granian.json), and has no
    settings: a format that is none is refused where those are read.
    """
    render = FORMATS.get(os.environ.get(FORMAT, ""), FORMATS["logfmt"])
    return structlog.stdlib.ProcessorFormatter(
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, render, hide_secrets],  # type: ignore[list-item]
        foreign_pre_chain=SHARED,
    )


def once(record: logging.LogRecord) -> bool:
    """Let Django say of a request only what its own line does not: a fault, and of an outage its reason in one line."""
    if getattr(record, "status_code", 0) == UNAVAILABLE:
        if not record.exc_info:
            return False
        record.msg, record.args = f"{record.getMessage()}: {record.exc_info[1]}", ()
        record.exc_info = None
    return record.levelno >= logging.ERROR


def logging_of(level: str) -> dict[str, Any]:
    """Django's LOGGING: everything from the level on goes to standard error, a line each."""
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"line": {"()": formatter}},
        "filters": {"once": {"()": lambda: once}},
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
        "root": {"handlers": ["stderr"], "level": level},
        "loggers": {
            # A line for every look at every running launch, and for every task that is sent, would fill the disk.
            "celery.app.trace": {"level": "WARNING"},
            "celery.worker.strategy": {"level": "WARNING"},
            "celery.beat": {"level": "WARNING"},
            # Their own handlers would write a second line with the path as it is: Django's and its server's in
            # development, the web server's where somebody turns its access log on.
            "django": {"handlers": []},
            "django.request": {"filters": ["once"]},
            "django.server": {"handlers": ["stderr"], "level": "WARNING"},
            "granian.access": {"handlers": ["stderr"], "level": "INFO", "propagate": False},
            "httpx": {"level": "WARNING"},
            "httpcore": {"level": "WARNING"},
        },
    }
