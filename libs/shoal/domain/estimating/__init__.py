"""How many more pods fit into one cluster, node by node (R4.19): asked by the scheduler, answered by that cluster's agent.

Belongs here: which nodes take a pod, what is left on each, what quotas leave; and how many nodes have so much left (R4.18), of which the
general estimate is told. Not here: that estimate itself (scheduling), and what is done with the answer.
"""

from shoal.domain.estimating.estimate import Estimate, estimate
from shoal.domain.estimating.grading import count_by_grade
from shoal.domain.estimating.nodes import admits

__all__ = ["Estimate", "admits", "count_by_grade", "estimate"]
