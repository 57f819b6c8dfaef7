"""What the gateway does by itself for objects of one kind: their status, or what they ask of others. One file each, one queue each."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from shoal.api.clock import Clock
from shoal.api.meta import Ref
from shoal.bus.entries import Entries
from shoal.bus.port import Bus
from shoal.bus.progress import ProgressReader
from shoal.bus.view import View
from shoal.bus.work_queue import WorkQueue
from shoal.kube.apiserver import Store
from shoal.runtime.config import GatewayConfig
from shoal_gateway.autoscaled import Autoscaled
from shoal_gateway.cron import Crons
from shoal_gateway.federated_hpa import FederatedHPAs
from shoal_gateway.hub import Hub
from shoal_gateway.measuring import Measuring
from shoal_gateway.quotas import Quotas
from shoal_gateway.rebalance import Rebalancers
from shoal_gateway.store import HubStore
from shoal_gateway.unified_auth import UnifiedAuth


class Keeper(Protocol):
    """Any number of gateways may keep the same objects: compare-and-set lets one of them."""

    def feed(self, queue: WorkQueue[Ref]) -> None:
        """Takes the queue of keys that `reconcile` works off."""

    def everything(self) -> None:
        """Looks at all there is, after a view was built anew and from time to time."""

    async def reconcile(self, ref: Ref) -> int:
        """Brings one object up to date; the sequence written, 0 for nothing."""


def keepers(
    store: HubStore,
    view: View,
    entries: Entries,
    hub: Hub,
    stage: Callable[[Store], Hub],
    progress: ProgressReader,
    config: GatewayConfig,
    *,
    bus: Bus,
    new_change: Callable[[], str],
    clock: Clock,
) -> dict[str, Keeper]:
    """All of them, by the name of their queue."""
    marks, syncs = config.hpa_scale_target_marker, config.deployment_replicas_syncer
    measuring = Measuring(view, bus, timeout_s=config.federated_hpa_timeout_s)
    return {
        "rebalancing": Rebalancers(view, entries, progress, clock=clock),
        "quotas": Quotas(view, entries, hub, new_change),
        "crons": Crons(store, view, entries, stage, new_change=new_change, clock=clock),
        "federated-hpas": FederatedHPAs(store, view, entries, hub, stage, measuring, config, new_change=new_change, clock=clock),
        "unified-auth": UnifiedAuth(view, hub, new_change),
        "autoscaled": Autoscaled(view, hub, new_change, marks_targets=marks, syncs_replicas=syncs),
    }
