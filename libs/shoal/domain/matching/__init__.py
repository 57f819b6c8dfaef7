"""Which policy owns a template, who lost and why (R1.1 to R1.12).

Belongs here: claims, priorities, preemption, lazy activation, exclusions. Not here: what the policy then asks for (scheduling), and how a
selector meets an object (`shoal.api.selecting`, since overrides use it too).
"""

from shoal.domain.matching.exclusions import Exclusions
from shoal.domain.matching.match import BLOCKED, CLAIMED, EXCLUDED, FROZEN, UNRANKED, WAITING, Match, match
from shoal.domain.matching.policies import Owned, Policies

__all__ = ["BLOCKED", "CLAIMED", "EXCLUDED", "FROZEN", "UNRANKED", "WAITING", "Exclusions", "Match", "Owned", "Policies", "match"]
