"""How many more pods fit into one cluster, node by node (R4.19): asked by the scheduler, answered by that cluster's agent.

Belongs here: which nodes take a pod, what is left on each, what quotas leave. Not here: the general estimate from sums (scheduling), and
what is done with the answer.
"""

from shoal.domain.estimating.estimate import Estimate, estimate
from shoal.domain.estimating.nodes import admits

__all__ = ["Estimate", "admits", "estimate"]
