"""Imports nats-py without aiohttp, which it has for WebSockets alone: 0.2 s and 15 MB less in every process that needs no aiohttp."""

from __future__ import annotations

import sys


def _import_without_aiohttp() -> None:
    if "aiohttp" in sys.modules or "nats.aio.transport" in sys.modules:
        return  # Loaded already: nothing to win.
    sys.modules["aiohttp"] = None  # type: ignore[assignment]  # None is how Python marks a module as not importable.
    try:
        import nats.aio.transport  # noqa: F401  # Imported for the effect of importing it now; it copes without.
    finally:
        del sys.modules["aiohttp"]


_import_without_aiohttp()
