"""What agents are asked by who scales by usage (R15.6). The rows of the table are in `catalogue.py`."""

from __future__ import annotations

from datetime import datetime

from shoal.api.meta import Ref, Struct
from shoal.api.pod_usage import TargetUsage
from shoal.messages.subject import encode_token


class MetricsRequest(Struct, frozen=True, kw_only=True):
    """Request on `ask.<member>.metrics`: what do the pods of these use? Sent by the gateway for its FederatedHPAs, all of a cluster at once."""

    refs: tuple[Ref, ...] = ()
    """Workloads with a scale."""
    resources: tuple[str, ...] = ()
    """Names of the resources that are asked for, such as cpu."""


class MetricsMeasured(Struct, frozen=True, kw_only=True):
    """Answer to `MetricsRequest`, as the member's API and its metrics server say it now."""

    at: datetime
    """By the agent's clock, by which the times of the pods are compared."""
    targets: tuple[TargetUsage, ...] = ()
    """One for each that was asked for."""


def metrics_subject(member: str) -> str:
    """Where one member's agent is asked what pods use."""
    return f"ask.{encode_token(member)}.metrics"
