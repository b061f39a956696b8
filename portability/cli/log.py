"""structlog on stderr, redacted: names, ids, counts and hashes may pass, nothing else."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, MutableMapping
from typing import Any, TextIO

import structlog

from portability.report.text import plain

SECRET = re.compile(r"(?i)pass(word|wd)?\b|secret|token|authorization|credential|api_?key|access_?key|session_?key")
ADDRESS = re.compile(r"[^\s@<>\"',;]+@[^\s@<>\"',;]+\.[^\s@<>\"',;]+")
ITEM_FIELDS = frozenset({"item", "items_sample", "key", "keys", "record", "image", "body", "value", "values"})
HIDDEN = "[redacted]"


def redact(_logger: Any, _name: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:  # noqa: ANN401
    """Hide what has a secret's name, item content, and whatever looks like an e-mail address."""
    return {name: _passed(name, value) for name, value in event.items()}


def _passed(name: str, value: Any) -> Any:  # noqa: ANN401 - whatever was logged
    if SECRET.search(name) or name in ITEM_FIELDS:
        return HIDDEN
    if isinstance(value, str):
        return plain(ADDRESS.sub(HIDDEN, value))
    if isinstance(value, dict):
        return {key: _passed(str(key), inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_passed("", inner) for inner in value]
    return value


def configure(stream: TextIO, *, level: int, machine: bool) -> None:
    """Log to `stream`: warnings at level 0, everything of ours from 1; JSON lines where a program reads."""
    renderer = structlog.processors.JSONRenderer() if machine else structlog.dev.ConsoleRenderer(colors=False)
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            redact,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(
            (logging.WARNING, logging.INFO, logging.DEBUG)[min(level, 2)]
        ),
        logger_factory=structlog.PrintLoggerFactory(stream),
        cache_logger_on_first_use=False,
    )


def listen() -> Callable[..., None]:
    """An observer that logs every event."""
    log = structlog.get_logger()

    def tell(event: str, /, **fields: Any) -> None:
        log.info(event, **fields)

    return tell
