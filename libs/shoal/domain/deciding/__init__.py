"""Everything the scheduler decides about one template, composed: the one place where matching, failover, scheduling and releasing meet.

Belongs here: the order in which they are asked, and what one says that another needs. Not here: any rule of theirs. `shoal_scheduler` calls
`decide` per key, plan and replay call it without writing.
"""

from shoal.domain.deciding.decide import decide
from shoal.domain.deciding.descheduling import lacking
from shoal.domain.deciding.estimated import Known, Wanted, decide_estimated, merged, said_without
from shoal.domain.deciding.inputs import EvictionTask, Inputs, Outcome, Owner, Peer, Wishes
from shoal.domain.deciding.priority import BUILT_IN, pod_class_of, priority_of
from shoal.domain.deciding.reasons import Reasons, reasons
from shoal.domain.deciding.recorded import recalled, untold

__all__ = [
    "BUILT_IN",
    "EvictionTask",
    "Inputs",
    "Known",
    "Outcome",
    "Owner",
    "Peer",
    "Reasons",
    "Wanted",
    "Wishes",
    "decide",
    "decide_estimated",
    "lacking",
    "merged",
    "pod_class_of",
    "priority_of",
    "reasons",
    "recalled",
    "said_without",
    "untold",
]
