"""Everything the scheduler decides about one template, composed: the one place where matching, failover, scheduling and releasing meet.

Belongs here: the order in which they are asked, and what one says that another needs. Not here: any rule of theirs. `shoal_scheduler` calls
`decide` per key, plan and replay call it without writing.
"""

from shoal.domain.deciding.decide import decide
from shoal.domain.deciding.inputs import EvictionTask, Inputs, Outcome, Owner, Peer, Wishes
from shoal.domain.deciding.priority import priority_of
from shoal.domain.deciding.reasons import Reasons, reasons

__all__ = ["EvictionTask", "Inputs", "Outcome", "Owner", "Peer", "Reasons", "Wishes", "decide", "priority_of", "reasons"]
