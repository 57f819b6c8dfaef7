"""What would be if: decisions unfolded over a state that is only supposed, and how what comes out differs from what is.

Belongs here: the order in which supposed changes are decided until nothing moves any more (`unfold`), what is supposed of clusters
(`lost`, `joined`), and the comparison of placements and manifests field by field. Not here: any rule of deciding or rendering. This
package composes `deciding`, `rendering` and `health`, as `deciding` and `rendering` compose others: the third exception of decision 0002.
"""

from shoal.domain.planning.differences import differences, manifest_differences
from shoal.domain.planning.placements import placement, unplaced
from shoal.domain.planning.suppose import Joined, joined, lost
from shoal.domain.planning.unfold import World, unfold
from shoal.domain.planning.works import Planned, planned_works

__all__ = [
    "Joined",
    "Planned",
    "World",
    "differences",
    "joined",
    "lost",
    "manifest_differences",
    "placement",
    "planned_works",
    "unfold",
    "unplaced",
]
