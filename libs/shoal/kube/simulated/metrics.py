"""`metrics.k8s.io/v1beta1` of a simulated member: what its pods would use, as their annotations say.

shoal.dev/simulated-cpu: 120m         of a pod (in the template): each uses that much
shoal.dev/simulated-cpu-load: "2"     of a workload: its ready pods in this cluster share that much, so that more of them have less to do each
shoal.dev/simulated-memory            the same two of memory
shoal.dev/simulated-memory-load

The load stands on the workload and not in its template: it can be changed without a rollout, as real load does.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator

from shoal.api.meta import Manifest, Ref
from shoal.api.quantity import milli
from shoal.kube.apiserver import Registry
from shoal.kube.apiserver.registry import ResourceType
from shoal.kube.apiserver.store import Selection, Stored, encode_at
from shoal.kube.simulated.world import NODE, POD, Kind, World, controller_of

GROUP = "metrics.k8s.io"
POD_METRICS, NODE_METRICS = (GROUP, "PodMetrics"), (GROUP, "NodeMetrics")
WINDOW = "15s"
USED, LOAD = "shoal.dev/simulated-{0}", "shoal.dev/simulated-{0}-load"
IDLE = {"cpu": 1, "memory": 16 * 2**20 * 1000}
"""Thousandths that a pod uses of which nothing is said."""
_GENERATIONS = 2
"""From a pod to its ReplicaSet and on to its Deployment."""

Amounts = dict[str, int]


def member_registry() -> Registry:
    """Every kind of a simulated member: the built-in ones and those of its metrics server."""
    found = Registry.builtin()
    for (group, kind), plural, namespaced in ((POD_METRICS, "pods", True), (NODE_METRICS, "nodes", False)):
        found.add(
            ResourceType(
                group=group,
                kind=kind,
                plural=plural,
                namespaced=namespaced,
                versions=("v1beta1",),
                verbs=("get", "list"),
                status=False,
                generation=False,
            )
        )
    return found


class Metrics:
    """Implements `world.Derived`: nothing is stored, everything is counted when it is asked for."""

    group = GROUP

    def __init__(self, world: World) -> None:
        self._world = world

    def get(self, ref: Ref) -> Stored | None:
        if ref[:2] == NODE_METRICS:
            return self._node(ref.name, self._by_node())
        return next(self._pods([Ref(*POD, ref.namespace, ref.name)]), None) if ref[:2] == POD_METRICS else None

    def list(self, selection: Selection) -> Iterator[Stored]:
        kind: Kind = (selection.group, selection.kind)
        if kind == NODE_METRICS:
            used = self._by_node()
            made = (self._node(stored.ref.name, used) for stored in self._world.list(NODE))
            return iter([one for one in made if one is not None])
        if kind == POD_METRICS:
            return self._pods(stored.ref for stored in self._world.list(POD, selection.namespace))
        return iter(())

    def _pods(self, refs: Iterable[Ref]) -> Iterator[Stored]:
        shares: dict[tuple[str, str], int | None] = {}
        return (self._told(ref, pod, self._used(pod, shares)) for ref in refs if (pod := self._running(ref)) is not None)

    def _running(self, ref: Ref) -> Manifest | None:
        state = self._world.pods.get(ref)
        return self._world.read(ref) if state is not None and state.active and state.phase == "Running" else None

    def _used(self, pod: Manifest, shares: dict[tuple[str, str], int | None]) -> Amounts:
        """`shares` remembers what each pod of an owner gets, for all pods of one answer."""
        used: Amounts = {}
        for resource, idle in IDLE.items():
            own = _annotated(pod, USED.format(resource))
            if own is None:
                owner = (controller_of(pod) or {}).get("uid", "")
                if (owner, resource) not in shares:
                    shares[owner, resource] = self._share(pod, LOAD.format(resource))
                own = shares[owner, resource]
            used[resource] = idle if own is None else own
        return used

    def _share(self, pod: Manifest, annotation: str) -> int | None:
        """Of one ready pod of the workload that has this annotation; None when none of its owners has it."""
        owned = pod
        for _ in range(_GENERATIONS):
            reference = controller_of(owned)
            if reference is None:
                return None
            group = str(reference["apiVersion"]).rpartition("/")[0]
            owner = self._world.read(Ref(group, str(reference["kind"]), str(pod["metadata"]["namespace"]), str(reference["name"])))
            if owner is None:
                return None
            if (load := _annotated(owner, annotation)) is not None:
                return load // max(1, self._ready(str(owner["metadata"]["uid"])))
            owned = owner
        return None

    def _ready(self, uid: str) -> int:
        """Ready pods of a workload, its ReplicaSets' among them."""
        own = sum(state.ready and state.active for state in self._world.pods_of(uid).values())
        below = (self._world.read(ref) for ref in self._world.dependents(uid) if ref[:2] != POD)
        return own + sum(self._ready(str(one["metadata"]["uid"])) for one in below if one is not None)

    def _told(self, ref: Ref, pod: Manifest, used: Amounts) -> Stored:
        containers = pod["spec"]["containers"]
        parts = [{name: amount // len(containers) for name, amount in used.items()} for _ in containers]
        metadata = {"name": ref.name, "namespace": ref.namespace, "labels": pod["metadata"].get("labels") or {}}
        told = [{"name": one["name"], "usage": _texts(part)} for one, part in zip(containers, parts, strict=True)]
        return self._stored(Ref(*POD_METRICS, ref.namespace, ref.name), metadata, {"containers": told})

    def _by_node(self) -> dict[str, Amounts]:
        used: dict[str, Amounts] = defaultdict(lambda: dict.fromkeys(IDLE, 0))
        shares: dict[tuple[str, str], int | None] = {}
        for ref, state in self._world.pods.items():
            if (pod := self._running(ref)) is not None:
                for resource, amount in self._used(pod, shares).items():
                    used[state.node][resource] += amount
        return used

    def _node(self, name: str, used: dict[str, Amounts]) -> Stored | None:
        if not self._world.exists(Ref(*NODE, "", name)):
            return None
        return self._stored(Ref(*NODE_METRICS, "", name), {"name": name}, {"usage": _texts(used[name])})

    def _stored(self, ref: Ref, metadata: Manifest, told: Manifest) -> Stored:
        now, revision = self._world.now(), self._world.store.revision()
        head = {"apiVersion": f"{GROUP}/v1beta1", "kind": ref.kind, "metadata": {**metadata, "creationTimestamp": now}}
        return Stored(ref, encode_at({**head, "timestamp": now, "window": WINDOW, **told}, revision), revision, revision)


def _annotated(manifest: Manifest, annotation: str) -> int | None:
    """Thousandths; None without the annotation, and for one that is mistyped, which must not stop the member."""
    text = (manifest["metadata"].get("annotations") or {}).get(annotation)
    try:
        return None if text is None else max(0, milli(str(text)))
    except ValueError:
        return None


def _texts(amounts: Amounts) -> dict[str, str]:
    """As a metrics server writes them."""
    return {"cpu": f"{amounts['cpu'] * 1_000_000}n", "memory": f"{amounts['memory'] // 1024_000}Ki"}
