"""The adapter in one process: the same contract, deterministic, on one event loop and its time. For tests and the simulation.

Faults are part of it (`Faults`). Age and size limits of streams are not kept; `MemoryBus.forget` makes old revisions go.
"""

from shoal.bus.memory.bus import MemoryBus, MemoryClient
from shoal.bus.memory.faults import Faults
from shoal.bus.memory.inbox import MemoryInbox

__all__ = ["Faults", "MemoryBus", "MemoryClient", "MemoryInbox"]
