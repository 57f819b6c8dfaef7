"""`AgentLease`: one agent per member. A second one waits until the first has stopped or has been silent for the lease's time."""

from __future__ import annotations

from datetime import datetime

from shoal.api.clock import Clock
from shoal.api.errors import RevisionConflict
from shoal.api.meta import Manifest, Ref
from shoal.kube.client.api import Api

NAMESPACE = "shoal-system"
LEASE = Ref("coordination.k8s.io", "Lease", NAMESPACE, "shoal-agent")


class AgentLease:
    """The Lease `shoal-system/shoal-agent` in the member. Whether a holder is silent is judged by our own clock, from when we last saw
    the lease change, so that clocks of two machines need not agree."""

    def __init__(self, api: Api, clock: Clock, *, holder: str, duration_s: float = 15.0) -> None:
        """`holder` is the same over restarts of one agent, so that a killed agent takes its own lease back at once."""
        self.api, self.clock, self.holder, self.duration_s = api, clock, holder, duration_s
        self.held_by = ""
        """Who held it when we looked last; for messages."""
        self._seen = ""
        self._seen_at = 0.0

    async def try_acquire(self) -> bool:
        """True when the lease is ours now; called again (about every third of `duration_s`) it renews. Raises `MemberUnavailable`."""
        live = await self.api.get(LEASE)
        try:
            if live is None:
                await self.api.create(self._lease(None), field_manager="shoal-agent")
                return self._ours()
            if not self._may_take(live):
                return False
            await self.api.replace(self._lease(live), field_manager="shoal-agent")
            return self._ours()
        except RevisionConflict:
            return False  # Somebody else was quicker; the next look tells who.

    async def acquire(self) -> None:
        """Waits until the lease is ours. Raises `MemberUnavailable`."""
        while not await self.try_acquire():
            await self.clock.sleep(self.duration_s / 3)

    async def release(self) -> None:
        """Gives the lease up, so that a successor need not wait; does nothing when it is not ours."""
        live = await self.api.get(LEASE)
        if live is None or (live.get("spec") or {}).get("holderIdentity") != self.holder:
            return
        try:
            await self.api.replace({**live, "spec": {**live["spec"], "holderIdentity": "", "leaseDurationSeconds": 1}})
        except RevisionConflict:
            return  # Taken over meanwhile: there is nothing to give up.

    def _may_take(self, live: Manifest) -> bool:
        spec = live.get("spec") or {}
        self.held_by = spec.get("holderIdentity") or ""
        version, now = live["metadata"]["resourceVersion"], self.clock.monotonic()
        if version != self._seen:
            self._seen, self._seen_at = version, now
        silent_s = now - self._seen_at
        return self.held_by in {"", self.holder} or silent_s >= float(spec.get("leaseDurationSeconds") or self.duration_s)

    def _ours(self) -> bool:
        self.held_by = self.holder
        return True

    def _lease(self, live: Manifest | None) -> Manifest:
        now = micro_time(self.clock.now())
        spec: Manifest = dict((live or {}).get("spec") or {})
        if live is None or spec.get("holderIdentity") != self.holder:
            spec["acquireTime"] = now
            spec["leaseTransitions"] = int(spec.get("leaseTransitions") or 0) + (1 if live else 0)
        spec |= {"holderIdentity": self.holder, "leaseDurationSeconds": max(1, round(self.duration_s)), "renewTime": now}
        metadata = live["metadata"] if live else {"name": LEASE.name, "namespace": LEASE.namespace}
        return {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": metadata, "spec": spec}


def micro_time(now: datetime) -> str:
    """A `MicroTime` as Kubernetes writes it; it refuses other forms."""
    return now.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
