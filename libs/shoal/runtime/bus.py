"""From a service's settings to its connection."""

from __future__ import annotations

from shoal.api.clock import Clock
from shoal.bus.nats import BusSettings, NatsBus, connect
from shoal.bus.topology import check
from shoal.runtime.config import ServiceConfig


def bus_settings(config: ServiceConfig) -> BusSettings:
    """How this service reaches the bus."""
    return BusSettings(
        url=config.bus_url,
        credentials_file=config.bus_credentials_file,
        ca_file=config.bus_ca_file,
        prefix=config.bus_prefix,
    )


async def connect_bus(config: ServiceConfig, clock: Clock, *, check_streams: bool = True) -> NatsBus:
    """Waits for the bus as long as it takes. Raises `SettingInvalid`, or `StreamDrifted` when the streams are not as this version asks."""
    bus = await connect(bus_settings(config), name=config.name, clock=clock)
    if check_streams:
        await check(bus)
    return bus
