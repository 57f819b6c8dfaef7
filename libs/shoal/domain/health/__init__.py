"""What is believed of a cluster, from beats, silence and inventory; and when an application has failed there (`timed`).

Belongs here: the verdicts (`judge`, `timed`), when silence counts (`listen`), when no verdict is passed (`hold`), conditions and taints,
and what follows from these for a cluster (ClusterTaintPolicy, Remedy).
Does not belong here: what happens to workloads because of a verdict. Moments and durations are seconds of one monotonic clock, the
monitor's; only what people read carries wall time, and both come in as arguments.
"""

from __future__ import annotations

from shoal.domain.health.applications import Timed, newly_failed, timed
from shoal.domain.health.conditions import conditions, taints
from shoal.domain.health.judge import Evidence, Verdict, judge, silence_s, verdict
from shoal.domain.health.listening import Listening, hold, listen
from shoal.domain.health.taint_policies import Tainting
from shoal.domain.health.thresholds import Thresholds

__all__ = [
    "Evidence",
    "Listening",
    "Tainting",
    "Thresholds",
    "Timed",
    "Verdict",
    "conditions",
    "hold",
    "judge",
    "listen",
    "newly_failed",
    "silence_s",
    "taints",
    "timed",
    "verdict",
]
