"""Logs: a constant phrase and its fields, one JSON object per line, or coloured lines for a person at a terminal.

`configure` is called once per process, by `run`. Everybody else: `log = structlog.get_logger()`, then `log.info("phrase", field=value)`.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import MutableMapping
from typing import Any

import msgspec
from opentelemetry import trace

from shoal.api.clock import Clock


def _without_rich() -> None:
    """Imports structlog while rich is hidden: for tracebacks on terminals it would load rich, 100 ms and 8 MB in every process."""
    if "structlog" in sys.modules or "rich" in sys.modules:
        return
    sys.modules["rich"] = None  # type: ignore[assignment]  # None is how Python marks a module as not importable.
    try:
        import structlog  # noqa: F401  # Imported for the effect of importing it now.
    finally:
        del sys.modules["rich"]


_without_rich()

import structlog  # noqa: E402  # After the line above, which is the point.

LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}
_ENCODER = msgspec.json.Encoder(enc_hook=repr)


def configure(service: str, *, level: str, form: str, clock: Clock) -> None:
    """Sets structlog up for this process, on stderr, and lets foreign libraries' warnings through the same door."""
    console = form == "console" or (form == "auto" and sys.stderr.isatty())

    def stamp(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        event["time"] = clock.now().isoformat(timespec="milliseconds")
        event["service"] = service
        return event

    before = [structlog.contextvars.merge_contextvars, structlog.processors.add_log_level, _add_trace, stamp]
    after = [structlog.dev.ConsoleRenderer()] if console else [structlog.processors.format_exc_info, _render]
    structlog.configure(
        processors=[*before, *after],
        wrapper_class=structlog.make_filtering_bound_logger(LEVELS[level]),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr) if console else structlog.BytesLoggerFactory(sys.stderr.buffer),
        cache_logger_on_first_use=True,
    )
    logging.basicConfig(handlers=[_Foreign()], level=max(LEVELS[level], logging.WARNING), force=True)


def _add_trace(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """The trace of the work at hand, so that a line leads to its deploy."""
    context = trace.get_current_span().get_span_context()
    if context.is_valid:
        event["trace"] = f"{context.trace_id:032x}"
    return event


def _render(_: Any, __: str, event: MutableMapping[str, Any]) -> bytes:
    phrase = event.pop("event", "")
    return _ENCODER.encode({"time": event.pop("time"), "level": event.pop("level"), "event": phrase, **event})


class _Foreign(logging.Handler):
    """Hands lines of the standard library's logging (uvicorn, aiohttp, OpenTelemetry) to structlog."""

    def emit(self, record: logging.LogRecord) -> None:
        log = structlog.get_logger()
        fields: dict[str, Any] = {"logger": record.name}
        if record.exc_info:
            fields["exc_info"] = record.exc_info
        log.log(record.levelno, record.getMessage(), **fields)
