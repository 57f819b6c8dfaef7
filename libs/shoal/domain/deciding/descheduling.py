"""Replicas that no node takes where they were put: which of them move on, and which clusters get no others for a while (R15.4).

Pods without a node count as taken room as long as they are there (R4.16). Once they are gone the cluster looks as roomy as on the day that
it got them, so that it has to be remembered: else the next decision, made for whatever cause, would put replicas there again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta

from shoal.api.binding import EVICTIONS, Binding, TargetCluster
from shoal.api.meta import Ref
from shoal.api.status import TemplateStatus
from shoal.domain.deciding.inputs import Inputs
from shoal.domain.scheduling import Request, divided_by_room, rebalance_requested

REST = timedelta(hours=1)
"""What kept pods from a node and no figure tells of (volumes, affinities between pods, cordoned nodes) is seldom over sooner; and where no
cluster is the right one, replicas move once an hour at most."""
_SHOWN_MAX = 5
"""Clusters that one sentence names."""


def lacking(ref: Ref, binding: Binding, status: TemplateStatus | None) -> dict[str, int]:
    """By cluster: replicas that a copy was asked for, as decided last, and that are not ready: as many may move on at most.

    Of Deployments that are divided by room, and that nothing moves or holds already: nobody evicts them, and nobody suspends their copies.
    """
    if (ref.group, ref.kind) != ("apps", "Deployment") or not divided_by_room(binding) or len(binding.components) > 1:
        return {}
    if status is None or status.template_uid != binding.template_uid or _held(binding):
        return {}
    found: dict[str, int] = {}
    for target in binding.clusters:
        copy = status.copy(target.name)
        if target.replicas is None or target.name in binding.attached or copy is None or not copy.applied or copy.epoch < target.epoch:
            continue
        missing = target.replicas - int((copy.status or {}).get("readyReplicas") or 0)
        if missing > 0:
            found[target.name] = missing
    return found


def moving_on(inputs: Inputs, previous: Binding | None) -> dict[str, int]:
    """By cluster: how many of its replicas have to run elsewhere; never one that is ready, and none of another object."""
    if previous is None or previous.template_uid != inputs.template_uid:
        return {}
    missing = lacking(inputs.ref, previous, inputs.status)
    return {name: min(pods, missing[name]) for name, pods in sorted(inputs.unschedulable.items()) if pods > 0 and name in missing}


def resting(inputs: Inputs, request: Request, previous: Binding | None) -> dict[str, str]:
    """Clusters that get nothing more now -> since when. Nobody rests for other pods than those of then, nor when a user asked for a
    rebalance."""
    if previous is None or not previous.descheduled or previous.template_uid != inputs.template_uid:
        return {}
    if previous.replica_requirements != inputs.requirements or rebalance_requested(request, previous):
        return {}
    return {name: since for name, since in previous.descheduled.items() if inputs.now < _time(since) + REST}


def remembered(before: Mapping[str, str], leaving: Mapping[str, int], now: datetime) -> dict[str, str]:
    """What to remember with a decision that takes replicas away from `leaving`."""
    since = now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return dict(sorted({**before, **dict.fromkeys(leaving, since)}.items()))


def spares(previous: Binding, clusters: Iterable[TargetCluster], leaving: Mapping[str, int]) -> bool:
    """Whether only those replicas leave that have to: where few clusters may take part, one that runs some might have to go for another."""
    now = {target.name: target.replicas or 0 for target in clusters}
    own = (target for target in previous.clusters if target.name not in previous.attached)
    return all(now.get(target.name, 0) >= (target.replicas or 0) - leaving.get(target.name, 0) for target in own)


def stays(leaving: Mapping[str, int], why: str) -> str:
    """A sentence about replicas that nobody else takes."""
    shown = ", ".join(f"{pods} in {name}" for name, pods in list(leaving.items())[:_SHOWN_MAX])
    more = f" and more in {len(leaving) - _SHOWN_MAX} clusters" if len(leaving) > _SHOWN_MAX else ""
    return f"unschedulable replicas stay, no other cluster takes them ({shown}{more}): {why}"


def _held(binding: Binding) -> bool:
    suspended = binding.suspension
    if suspended is not None and (suspended.scheduling or suspended.dispatching or suspended.dispatching_on_clusters is not None):
        return True
    return any(removal.reason in EVICTIONS for removal in binding.removals.values())


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text.replace("Z", "+00:00"))
