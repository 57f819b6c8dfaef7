"""Where a template runs, and why not elsewhere (R3.1 to R4.14): filter, rank, select, assign.

Belongs here: candidates, spread, division, targets with their epochs, what owners add, whether a decision says anything new. Not here:
which policy owns a template (matching), who has to leave a cluster (failover), when a copy may be deleted (releasing). Those come in as
values: `deciding` composes them.
"""

from shoal.domain.scheduling.attach import Attached, attach
from shoal.domain.scheduling.binding import explained, lay_over, next_summary_at, same_content, should_write, to_binding
from shoal.domain.scheduling.decision import Decision
from shoal.domain.scheduling.ladder import rebalance_requested
from shoal.domain.scheduling.ledger import Ledger, Recorded, Reservations
from shoal.domain.scheduling.plugins import PLUGINS, Plugin, chosen
from shoal.domain.scheduling.request import Request, divided_by_room
from shoal.domain.scheduling.schedule import condition, keep, schedule
from shoal.domain.scheduling.snapshot import Snapshot

__all__ = [
    "PLUGINS",
    "Attached",
    "Decision",
    "Ledger",
    "Plugin",
    "Recorded",
    "Request",
    "Reservations",
    "Snapshot",
    "attach",
    "chosen",
    "condition",
    "divided_by_room",
    "explained",
    "keep",
    "lay_over",
    "next_summary_at",
    "rebalance_requested",
    "same_content",
    "schedule",
    "should_write",
    "to_binding",
]
