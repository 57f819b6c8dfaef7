"""StatefulSet (apps): as a Deployment, and its controller makes the claims that `volumeClaimTemplates` names."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from shoal.api.meta import Manifest, Ref
from shoal.api.status import CopyStatus
from shoal.domain.interpreting.interpreter import Interpreter
from shoal.domain.interpreting.metadata import at, maps
from shoal.domain.interpreting.pods import pod_dependencies, without_claims
from shoal.domain.interpreting.statuses import counted, reflected
from shoal.domain.interpreting.workloads import replicas, revise, rolled_out

_COUNTERS = ("replicas", "readyReplicas", "currentReplicas", "updatedReplicas", "availableReplicas")


def reflect(live: Manifest) -> Manifest | None:
    """Without `observedGeneration` (R7.5)."""
    return reflected(live, _COUNTERS)


def aggregate(template: Manifest, items: Sequence[CopyStatus], generation: int) -> Manifest:
    """Copies are compared with the template's generation, as for every other kind; Karmada compares with the copy's own (a quirk)."""
    return counted(template, items, generation, _COUNTERS)


def dependencies(manifest: Manifest) -> Iterator[Ref]:
    generated = {at(claim, "metadata", "name") for claim in maps(at(manifest, "spec", "volumeClaimTemplates"))}
    return without_claims(pod_dependencies(manifest), generated)


INTERPRETER = Interpreter(
    group="apps",
    kind="StatefulSet",
    replicas=replicas,
    revise=revise,
    reflect=reflect,
    health=rolled_out,
    aggregate=aggregate,
    dependencies=dependencies,
)
