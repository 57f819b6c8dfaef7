"""When a cluster that is on its way out may lose its copy, and when the removal is over.

Belongs here: the questions about `removals`. The scheduler asks `settle` before it decides and `overdue` after it, the renderer asks
`releasable` before it writes a tombstone and `purging` before it makes a new copy. Not here: who has to leave (failover, scheduling).
"""

from shoal.domain.releasing.ending import ending
from shoal.domain.releasing.overdue import Waiting, overdue
from shoal.domain.releasing.owners import OwnerState, owner_state
from shoal.domain.releasing.purging import purging
from shoal.domain.releasing.releasable import releasable
from shoal.domain.releasing.settle import settle

__all__ = ["OwnerState", "Waiting", "ending", "overdue", "owner_state", "purging", "releasable", "settle"]
