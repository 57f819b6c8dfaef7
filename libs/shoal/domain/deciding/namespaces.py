"""Every namespace of users exists in every cluster (R15.1, W01, W02)."""

from __future__ import annotations

from datetime import datetime

import msgspec

from shoal.api.binding import CLUSTER_DELETED, TEMPLATE_REPLACED, Binding, Removal, TargetCluster
from shoal.api.meta import Manifest
from shoal.api.shoal import SKIP_NAMESPACE_LABEL
from shoal.domain.deciding.inputs import Inputs
from shoal.domain.matching import Exclusions
from shoal.domain.scheduling import Decision, condition


def propagated_everywhere(template: Manifest, exclusions: Exclusions) -> bool:
    """True for a Namespace that is neither `default`, reserved, excluded nor labelled to be skipped (then a policy may place it)."""
    if (template["apiVersion"], template["kind"]) != ("v1", "Namespace") or template["metadata"]["name"] == "default":
        return False
    if (template["metadata"].get("labels") or {}).get(SKIP_NAMESPACE_LABEL) == "true":
        return False
    return not exclusions.reason(template)


def to_every_cluster(inputs: Inputs, previous: Binding | None) -> Decision:
    """Every cluster that is Ready gets it, whatever its taints; where it is, it stays until the cluster goes.

    A cluster that is being deleted is left last: while something of the namespace is there (`Inputs.occupied`), the namespace stays, since
    deleting it would take along what still waits for its replacement.
    """
    snapshot = inputs.snapshot
    here = {target.name: target for target in previous.clusters} if previous and previous.template_uid == inputs.template_uid else {}
    leaving = (snapshot.deleting & ~snapshot.bits(inputs.occupied)) | snapshot.forgotten
    wanted = set(snapshot.names_in(snapshot.ready)) | here.keys()
    names = sorted((name for name in wanted if not snapshot.bit(name) & leaving), key=str.encode)
    same = previous is not None and previous.template_uid == inputs.template_uid
    removals = {name: removal for name, removal in (previous.removals if previous else {}).items() if name not in names}
    if not same:  # Only a higher epoch lets an agent delete what bears another uid.
        removals = {name: msgspec.structs.replace(removal, epoch=inputs.position) for name, removal in removals.items()}
    for target in previous.clusters if previous else ():
        if target.name not in names and not snapshot.bit(target.name) & snapshot.forgotten:
            removals[target.name] = _removal(target.name, target.epoch if same else inputs.position, inputs.now, same=same)
    said = condition(previous, "True", "Success", "Binding has been scheduled successfully.", inputs.now)
    return Decision(
        clusters=tuple(here.get(name) or TargetCluster(name=name, epoch=inputs.position) for name in names),
        removals={name: removals[name] for name in sorted(removals)},
        condition=said,
        fits=True,
        placed=True,
        snapshot=snapshot,
        rounds=("a namespace goes to every cluster that is ready",),
    )


def _removal(cluster: str, epoch: int, now: datetime, *, same: bool) -> Removal:
    return Removal(
        reason=CLUSTER_DELETED if same else TEMPLATE_REPLACED,
        author=f"cluster/{cluster}" if same else "scheduler",
        epoch=epoch,
        since=now.strftime("%Y-%m-%dT%H:%M:%SZ"),
    )
