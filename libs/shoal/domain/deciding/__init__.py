"""Everything the scheduler decides about one template, composed: the one place where matching, failover, scheduling and releasing meet.

Belongs here: the order in which they are asked, and what one says that another needs. Not here: any rule of theirs. `shoal_scheduler` calls
`decide` per key, plan and replay call it without writing.
"""

from shoal.domain.deciding.decide import decide
from shoal.domain.deciding.inputs import Inputs, Outcome, Owner, Peer
from shoal.domain.deciding.reasons import Reasons, reasons

__all__ = ["Inputs", "Outcome", "Owner", "Peer", "Reasons", "decide", "reasons"]
