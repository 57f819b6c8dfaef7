"""Who sets a template's number of replicas beside its user: usage (FederatedHPA), rules with a schedule (CronFederatedHPA), and the members' own
autoscalers.

Belongs here: what usage asks for and how fast that may change; when a rule is due, what it asks of its target, and what is told of it; which templates
keep the numbers of their members, and which number follows. Not here: how a schedule is read (`shoal.api.cron`, which the door reads, too), and which
clusters get the replicas (scheduling), to which such a change is one like any other.
"""

from shoal.domain.autoscaling.autoscale import Autoscaled, Settings, autoscale, is_worth_writing
from shoal.domain.autoscaling.behavior import Memory, Step, with_step
from shoal.domain.autoscaling.judge import STARTING_DEADLINE_S, Due, Execution, Judged, asked, due, judge
from shoal.domain.autoscaling.moments import next_moment
from shoal.domain.autoscaling.places import Answer, Place, Runs, situation
from shoal.domain.autoscaling.replicas import Readiness, Seen, Situation
from shoal.domain.autoscaling.retaining import followed, marks

__all__ = [
    "STARTING_DEADLINE_S",
    "Answer",
    "Autoscaled",
    "Due",
    "Execution",
    "Judged",
    "Memory",
    "Place",
    "Readiness",
    "Runs",
    "Seen",
    "Settings",
    "Situation",
    "Step",
    "asked",
    "autoscale",
    "due",
    "followed",
    "is_worth_writing",
    "judge",
    "marks",
    "next_moment",
    "situation",
    "with_step",
]
