"""`shoal bootstrap`: creates the streams of a bus and compares what is there. `shoal up` does it by itself."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from shoal.runtime.files import write_whole

if TYPE_CHECKING:
    from shoal.bus.nats.options import BusSettings
    from shoal.bus.topology import Storage


def known_streams(path: Path) -> frozenset[str]:
    """Streams that existed after the last bootstrap; one that is missing now is an error and not made again silently."""
    return frozenset(json.loads(path.read_bytes())) if path.exists() else frozenset()


def create_streams(
    url: str, *, known: Path | None, credentials_file: str = "", ca_file: str = "", limit_s: float = 30.0, replicas: int = 1
) -> tuple[str, ...]:
    """Creates what is missing; the names it created. Raises `BusUnavailable`, `StreamDrifted`, `SettingInvalid`."""
    from shoal.bus.nats.options import BusSettings
    from shoal.bus.topology import STREAMS, Storage
    from shoal.runtime import logs
    from shoal.runtime.clock import SystemClock

    logs.configure("bootstrap", level="error", form="auto", clock=SystemClock())
    settings = BusSettings(url=url, credentials_file=credentials_file, ca_file=ca_file)
    expected = known_streams(known) if known else frozenset()
    made = asyncio.run(_bootstrap(settings, Storage(replicas=replicas), expected, limit_s))
    if known and (made or not known.exists()):
        write_whole(known, json.dumps(sorted(stream.name for stream in STREAMS)).encode())
    return made


async def _bootstrap(settings: BusSettings, storage: Storage, expected: frozenset[str], limit_s: float) -> tuple[str, ...]:
    from shoal.bus import topology
    from shoal.bus.nats.connection import connect
    from shoal.runtime.clock import SystemClock

    bus = await connect(settings, name="bootstrap", clock=SystemClock(), timeout_s=limit_s)
    try:
        return await topology.bootstrap(bus, create=True, storage=storage, expected=expected)
    finally:
        await bus.close()


@click.command()
@click.option("--bus-url", envvar="SHOAL_BUS_URL", default="nats://127.0.0.1:4222", show_default=True, help="Where nats-server listens.")
@click.option("--credentials", envvar="SHOAL_BUS_CREDENTIALS_FILE", default="", help="NATS credentials file; needed off loopback.")
@click.option("--ca", envvar="SHOAL_BUS_CA_FILE", default="", help="PEM file of the server's authority; needed off loopback.")
@click.option("--replicas", type=click.IntRange(1, 5), default=1, show_default=True, help="Copies of each stream; 3 on a NATS cluster.")
@click.option("--known", type=click.Path(path_type=Path), help="File that remembers which streams existed; keep it with the store.")
@click.option("--timeout", "limit_s", type=float, default=60.0, show_default=True, help="Seconds to wait for the bus.")
def bootstrap(*, bus_url: str, credentials: str, ca: str, replicas: int, known: Path | None, limit_s: float) -> None:
    """Create the streams that are missing, and compare those that are there with what this version asks for."""
    made = create_streams(bus_url, known=known, credentials_file=credentials, ca_file=ca, limit_s=limit_s, replicas=replicas)
    click.echo(f"created {', '.join(made)}" if made else "all streams are there, as they should be")
