"""How far a WorkloadRebalancer has come (R15.3): what its status says, and when it may go.

Belongs here: the results of the listed workloads, the end, the time to live. Not here: what a fresh placement is (scheduling), which the
scheduler carries out because it reads the same object.
"""

from shoal.domain.rebalancing.judge import Carried, Judged, judge

__all__ = ["Carried", "Judged", "judge"]
