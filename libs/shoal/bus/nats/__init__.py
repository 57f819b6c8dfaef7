"""The adapter for NATS JetStream: connection, streams, watches, and the server's own configuration.

Errors of nats-py stop here (`failures`). What a message means belongs into the rooms above.
"""

from shoal.bus.nats import light as light  # First: see there.
from shoal.bus.nats.connection import connect
from shoal.bus.nats.jetstream import NatsBus
from shoal.bus.nats.options import BusSettings

__all__ = ["BusSettings", "NatsBus", "connect"]
