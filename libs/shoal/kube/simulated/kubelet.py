"""The kubelets of the simulated nodes: a bound pod becomes ready after a while, unless something that it names is missing."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from shoal.api.meta import Manifest, Ref
from shoal.kube.simulated.nodes import SIMULATED
from shoal.kube.simulated.world import CONFIG_MAP, JOB, NODE, SECRET, SERVICE_ACCOUNT, World, condition, controller_of

RUN = ("", "Run")
"""Queue name of the kubelets."""
RUN_SECONDS = "shoal.dev/simulated-run-s"
"""Annotation of a pod: how many seconds it runs before it succeeds (pods of Jobs, and others with a restart policy that lets them end)."""
FAILING_TAG = ":failing"
"""A container whose image has this tag ends with exit code 1 in place of 0."""
WATCHED = frozenset({CONFIG_MAP, SECRET, SERVICE_ACCOUNT})


class Kubelet:
    def __init__(self, world: World) -> None:
        self.world = world
        self._waiting: dict[Ref, dict[Ref, None]] = {}
        """Missing object -> pods that wait for it."""
        self._waiting_for_image: dict[Ref, None] = {}
        self._due: dict[Ref, datetime] = {}
        """When a pod that starts is ready, or one that runs is done."""
        self._addresses = 0

    def note(self, ref: Ref) -> None:
        """A ConfigMap, Secret or ServiceAccount came or changed: pods that wait for it look again."""
        for pod in self._waiting.get(ref, ()):
            self.world.wake(RUN, pod)

    def note_gone(self, ref: Ref) -> None:
        """A pod is gone."""
        self._due.pop(ref, None)
        self._waiting_for_image.pop(ref, None)

    def note_images(self) -> None:
        """Which images fail has changed."""
        for pod in self._waiting_for_image:
            self.world.wake(RUN, pod)

    async def reconcile(self, ref: Ref) -> None:
        pod = self.world.read(ref)
        if pod is None:
            return
        if pod["metadata"].get("deletionTimestamp"):
            # With finalizers it stays, marked, until they are gone; a real kubelet would have ended its containers, too.
            await self.world.delete(ref)
            return
        node = pod["spec"].get("nodeName")
        if node and not self.world.exists(Ref(*NODE, "", node)):
            await self.world.delete(ref)  # As a real cluster removes the pods of a node that is no more.
            return
        if not self._mine(pod) or (pod.get("status") or {}).get("phase") in {"Succeeded", "Failed"}:
            return
        if (pod["status"]).get("phase") == "Running":
            await self._end(ref, pod)
        else:
            await self._start(ref, pod)

    def _mine(self, pod: Manifest) -> bool:
        """Whether the pod is on a node whose kubelet is played here."""
        name = pod["spec"].get("nodeName")
        stored = self.world.store.get(Ref(*NODE, "", name)) if name else None
        return stored is not None and SIMULATED.encode() in stored.body

    async def _start(self, ref: Ref, pod: Manifest) -> None:
        if problem := self._problem(ref, pod):
            self._due.pop(ref, None)
            await self.world.set_status(pod, self._waiting_status(pod, *problem))
            return
        due = self._due.get(ref)
        now = self.world.clock.now()
        if due is None:
            due = self._due[ref] = now + timedelta(seconds=self.world.settings.ready_after_s)
        if now < due:
            await self.world.set_status(pod, self._waiting_status(pod, "ContainerCreating", ""))
            self.world.later((due - now).total_seconds(), RUN, ref)
            return
        del self._due[ref]
        await self.world.set_status(pod, self._running_status(pod))
        if (run_s := self._run_s(pod)) is not None:
            self._due[ref] = now + timedelta(seconds=run_s)
            self.world.later(run_s, RUN, ref)

    async def _end(self, ref: Ref, pod: Manifest) -> None:
        """A pod of a Job that has run long enough."""
        run_s = self._run_s(pod)
        if run_s is None:
            return
        now = self.world.clock.now()
        # After a restart of the member the time begins anew.
        due = self._due.setdefault(ref, now + timedelta(seconds=run_s))
        if now < due:
            self.world.later((due - now).total_seconds(), RUN, ref)
            return
        del self._due[ref]
        await self.world.set_status(pod, self._ended_status(pod))

    def _run_s(self, pod: Manifest) -> float | None:
        """Seconds that a pod runs; None when it runs for ever."""
        annotated = (pod["metadata"].get("annotations") or {}).get(RUN_SECONDS)
        owner = controller_of(pod)
        if pod["spec"].get("restartPolicy", "Always") == "Always" or (annotated is None and (owner is None or owner["kind"] != JOB[1])):
            return None
        try:
            return self.world.settings.job_s if annotated is None else max(0.0, float(annotated))
        except ValueError:
            return self.world.settings.job_s  # A mistyped annotation must not stop the member.

    # --- what keeps a pod from starting ---

    def _problem(self, ref: Ref, pod: Manifest) -> tuple[str, str] | None:
        """(reason, message) of the waiting containers; the pod is noted where it will be woken."""
        namespace = ref.namespace
        account = Ref(*SERVICE_ACCOUNT, namespace, pod["spec"].get("serviceAccountName") or "default")
        for kind, name, key in [(SERVICE_ACCOUNT, account.name, ""), *needs(pod["spec"])]:
            needed = Ref(*kind, namespace, name)
            stored = self.world.store.get(needed)
            missing = f'{needed.kind.lower()} "{name}" not found'
            if stored is not None and key and not _has_key(stored.object(), key):
                missing = f"couldn't find key {key} in {needed.kind} {namespace}/{name}"
            elif stored is not None:
                continue
            self._waiting.setdefault(needed, {})[ref] = None
            return "CreateContainerConfigError", missing
        self._forget_waiting(ref)
        for container in pod["spec"].get("containers") or ():
            if reason := self.world.faults.waits_for_image(container.get("image") or ""):
                self._waiting_for_image[ref] = None
                return reason, f'Back-off: image "{container["image"]}" does not work here'
        self._waiting_for_image.pop(ref, None)
        return None

    def _forget_waiting(self, ref: Ref) -> None:
        for needed in [needed for needed, pods in self._waiting.items() if ref in pods]:
            del self._waiting[needed][ref]
            if not self._waiting[needed]:
                del self._waiting[needed]

    # --- statuses ---

    def _waiting_status(self, pod: Manifest, reason: str, message: str) -> Manifest:
        waiting = {"reason": reason, "message": message} if message else {"reason": reason}
        containers = [self._container(container, {"waiting": waiting}) for container in pod["spec"]["containers"]]
        return self._status(pod, "Pending", containers, ready=False)

    def _running_status(self, pod: Manifest) -> Manifest:
        running = {"running": {"startedAt": self.world.now()}}
        containers = [self._container(container, running, ready=True) for container in pod["spec"]["containers"]]
        return self._status(pod, "Running", containers, ready=True)

    def _ended_status(self, pod: Manifest) -> Manifest:
        now = self.world.now()
        failed = any((container.get("image") or "").endswith(FAILING_TAG) for container in pod["spec"]["containers"])
        ended = {"exitCode": int(failed), "reason": "Error" if failed else "Completed", "finishedAt": now}
        ended["startedAt"] = (pod.get("status") or {}).get("startTime") or now
        containers = [self._container(container, {"terminated": ended}) for container in pod["spec"]["containers"]]
        return self._status(pod, "Failed" if failed else "Succeeded", containers, ready=False)

    def _container(self, container: Manifest, state: dict[str, Any], *, ready: bool = False) -> dict[str, Any]:
        image = container.get("image") or ""
        image_id = f"simulated://{image}" if ready else ""
        return {
            "name": container["name"],
            "image": image,
            "imageID": image_id,
            "ready": ready,
            "started": ready,
            "restartCount": 0,
            "state": state,
        }

    def _status(self, pod: Manifest, phase: str, containers: list[dict[str, Any]], *, ready: bool) -> Manifest:
        before, now = pod.get("status") or {}, self.world.now()
        reason = "" if ready else "PodCompleted" if phase == "Succeeded" else "ContainersNotReady"
        conditions = [
            *(one for one in before.get("conditions") or () if one["type"] == "PodScheduled"),
            condition(before, "Initialized", "True", "", "", now),
            *(condition(before, type_, "True" if ready else "False", reason, "", now) for type_ in ("ContainersReady", "Ready")),
        ]
        status = {
            **before,
            "phase": phase,
            "conditions": [{name: value for name, value in one.items() if value} for one in conditions],
            "containerStatuses": containers,
            "startTime": before.get("startTime") or now,
            "hostIP": self._host(pod),
        }
        if phase == "Running" and not before.get("podIP"):
            address = self._address()
            status |= {"podIP": address, "podIPs": [{"ip": address}]}
        return status

    def _host(self, pod: Manifest) -> str:
        node = self.world.read(Ref(*NODE, "", pod["spec"]["nodeName"])) or {}
        addresses = (node.get("status") or {}).get("addresses") or ()
        return next((str(one["address"]) for one in addresses if one["type"] == "InternalIP"), "")

    def _address(self) -> str:
        """The next free address of 10.64.0.0/10."""
        used = {state.address for state in self.world.pods.values()} if self._addresses == 0 else set()
        while True:
            self._addresses += 1
            number = self._addresses
            address = f"10.{64 + (number >> 16) % 64}.{(number >> 8) % 256}.{number % 256}"
            if number % 256 not in {0, 255} and address not in used:
                return address


def needs(spec: Manifest) -> list[tuple[tuple[str, str], str, str]]:
    """(kind, name, key or empty) of everything that containers cannot start without; what is marked optional is left out."""
    found: list[tuple[tuple[str, str], str, str]] = []
    for volume in spec.get("volumes") or ():
        sources = [volume, *((volume.get("projected") or {}).get("sources") or ())]
        for source in sources:
            _add(found, CONFIG_MAP, source.get("configMap"), "name")
            _add(found, SECRET, source.get("secret"), "secretName" if source is volume else "name")
    for container in [*(spec.get("initContainers") or ()), *(spec.get("containers") or ())]:
        for source in container.get("envFrom") or ():
            _add(found, CONFIG_MAP, source.get("configMapRef"), "name")
            _add(found, SECRET, source.get("secretRef"), "name")
        for variable in container.get("env") or ():
            source = variable.get("valueFrom") or {}
            _add(found, CONFIG_MAP, source.get("configMapKeyRef"), "name")
            _add(found, SECRET, source.get("secretKeyRef"), "name")
    return found


def _add(found: list[tuple[tuple[str, str], str, str]], kind: tuple[str, str], source: Manifest | None, field: str) -> None:
    if source and source.get(field) and not source.get("optional"):
        found.append((kind, source[field], source.get("key") or ""))


def _has_key(manifest: Manifest, key: str) -> bool:
    return any(key in (manifest.get(field) or {}) for field in ("data", "binaryData"))
