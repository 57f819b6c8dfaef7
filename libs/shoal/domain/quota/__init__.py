"""What the bindings of a namespace use across all clusters, and whether one more may (R15.2, R01 to R04).

Belongs here: usage, and the comparison with FederatedResourceQuotas. Not here: ResourceQuotas inside one member (estimating).
"""

from shoal.domain.quota.usage import Quota, add, exceeded, texts, usage_of

__all__ = ["Quota", "add", "exceeded", "texts", "usage_of"]
