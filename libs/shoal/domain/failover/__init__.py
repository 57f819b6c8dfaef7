"""Who has to leave a cluster, and where a replacement should go first (R11.1 to R11.7, R12.1 to R12.4).

Belongs here: verdicts about clusters and applications, and taints, turned into evictions and preferences; what a new copy inherits. Not
here: whether a replacement exists and where it runs (scheduling), and when the old copy is deleted (releasing). `deciding` hands what is
said here to the scheduler as values.
"""

from shoal.domain.failover.evict import Verdict, evict
from shoal.domain.failover.preserving import inherited
from shoal.domain.failover.rules import Rule, Rules, rules_for

__all__ = ["Rule", "Rules", "Verdict", "evict", "inherited", "rules_for"]
