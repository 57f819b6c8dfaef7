"""Who sets a template's number of replicas beside its user: rules with a schedule (CronFederatedHPA), and the members' own autoscalers.

Belongs here: when a rule is due, what it asks of its target, and what is told of it; which templates keep the numbers of their members, and
which number follows. Not here: how a schedule is read (`shoal.api.cron`, which the door reads, too), and which clusters get the replicas
(scheduling), to which such a change is one like any other.
"""

from shoal.domain.autoscaling.judge import STARTING_DEADLINE_S, Due, Execution, Judged, asked, due, judge
from shoal.domain.autoscaling.moments import next_moment
from shoal.domain.autoscaling.retaining import followed, marks

__all__ = ["STARTING_DEADLINE_S", "Due", "Execution", "Judged", "asked", "due", "followed", "judge", "marks", "next_moment"]
