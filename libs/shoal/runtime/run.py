"""Runs one service as a process: settings, logs, traces, signals, start, work, graceful stop.

A service's `__main__.py` is one call: `run(wire, SchedulerConfig)`. Exit codes: 0 stopped by a signal, 1 crashed, 2 a setting is invalid,
3 it cannot start until somebody changes something.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Callable
from typing import Any, TypeVar

from shoal.runtime import logs  # Before anything that imports structlog; says there why.

import structlog  # isort: skip
import uvloop

from shoal.api.clock import Clock
from shoal.api.errors import Retryable, SettingInvalid, Terminal
from shoal.runtime import health, telemetry
from shoal.runtime.clock import SystemClock
from shoal.runtime.config import ServiceConfig, load, unknown_variables
from shoal.runtime.health import Endpoints, HealthServer, Service

C = TypeVar("C", bound=ServiceConfig)
log = structlog.get_logger()

CRASHED, SETTING_INVALID, CANNOT_START = 1, 2, 3
_START_BACKOFF_S = (0.2, 5.0)
"""First and longest wait between attempts to start; short, because on one machine the bus is up a moment later."""


def run(wire: Callable[[C], Service], kind: type[C], *, endpoints: bool = True) -> None:
    """Runs the service that `wire(config)` makes until a signal, then leaves. `endpoints=False`: it serves its own (gateway)."""
    clock = SystemClock()
    try:
        config = load(kind, os.environ)
    except SettingInvalid as error:
        sys.exit(_refused(error))
    logs.configure(config.name, level=config.log_level, form=config.log_format, clock=clock)
    for name in unknown_variables(os.environ):
        log.warning("setting unknown", variable=name, advice="docs/settings.md lists them all")
    recording = telemetry.configure(config)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        try:
            code = runner.run(_Process(wire, config, clock, endpoints).live())
        except SettingInvalid as error:
            code = _refused(error)
    recording.close()
    sys.exit(code)


def _refused(error: SettingInvalid) -> int:
    print(f"setting invalid: {error}", file=sys.stderr)
    return SETTING_INVALID


class _Process:
    """One life of a process: from wiring to the exit code."""

    def __init__(self, wire: Callable[[Any], Service], config: ServiceConfig, clock: Clock, endpoints: bool) -> None:
        self._wire, self._config, self._clock, self._endpoints = wire, config, clock, endpoints
        self._asked = asyncio.Event()
        """A signal asked for the end."""
        self._started = False

    async def live(self) -> int:
        """Wires, starts and runs; starts again after a back-off while what it needs is away. Returns the exit code."""
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, self._on_signal)
        wait_s, longest_s = _START_BACKOFF_S
        while not self._asked.is_set():
            try:
                return await self._once()
            except SettingInvalid:
                raise
            except Terminal as error:
                log.error("cannot start", reason=error.reason, message=str(error))
                return CANNOT_START
            except Retryable as error:
                log.warning("start waits", reason=error.reason, message=str(error), again_in_s=wait_s)
            with contextlib.suppress(TimeoutError):  # The back-off is over, nobody asked for the end.
                await asyncio.wait_for(self._asked.wait(), wait_s)
            wait_s = min(wait_s * 2, longest_s)
        return 0

    def _on_signal(self) -> None:
        if self._asked.is_set():
            os._exit(CRASHED)  # The second signal: whoever sends it does not want to wait for anything.
        self._asked.set()

    async def _once(self) -> int:
        """One start and, when that works, one run."""
        service, server = self._wire(self._config), None
        if self._endpoints:
            server = HealthServer(Endpoints(service, self._config, self._clock), self._config.http_host, self._config.http_port)
            health.announce(self._config, await server.start(), self._clock)
        try:
            return await self._started_and_run(service)
        finally:
            if server is not None:
                await server.stop()
                health.withdraw(self._config)

    async def _started_and_run(self, service: Service) -> int:
        """0 after a signal, `CRASHED` when the service ended or failed by itself. Errors of the start are raised, after a stop."""
        self._started = False
        work = asyncio.create_task(self._work(service))
        asked = asyncio.create_task(self._asked.wait())
        await asyncio.wait((work, asked), return_when=asyncio.FIRST_COMPLETED)
        asked.cancel()
        by_itself = work.done()
        await self._stop(service, work)
        if not by_itself:
            log.info("service stopped")
            return 0
        error = work.exception()
        if error is not None and not self._started and isinstance(error, Retryable | Terminal):
            raise error
        log.error("process crashed", exc_info=error, message="" if error else "the service ended without being asked to")
        return CRASHED

    async def _work(self, service: Service) -> None:
        await service.start()
        self._started = True
        log.info("service started")
        await service.run()

    async def _stop(self, service: Service, work: asyncio.Task[None]) -> None:
        """Stops gracefully within the limit; past it, the process leaves as it is: everything it promised is on the bus already."""
        if not self._started:
            work.cancel()  # A start that waits for something has nothing in flight that stop could finish.
        try:
            async with asyncio.timeout(self._config.stop_limit_s):
                await service.stop()
                await asyncio.wait((work,))
        except TimeoutError:
            log.error("stop took too long", limit_s=self._config.stop_limit_s)
            os._exit(CRASHED)
        except Exception:
            log.exception("stop failed")
