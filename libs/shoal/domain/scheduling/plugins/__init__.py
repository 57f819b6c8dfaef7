"""The filter plugins, one file each, in the order in which they are asked; the first one that refuses a cluster gives its reason (R3.4).

A plugin says which of the clusters it refuses and why: `name(question) -> [(clusters, Rejection)]`. It knows no other plugin. Its name is
what users see and write in `--plugins` (E03).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType

from shoal.domain.scheduling.plugins.api_enablement import api_enablement
from shoal.domain.scheduling.plugins.cluster_affinity import cluster_affinity
from shoal.domain.scheduling.plugins.cluster_deletion import cluster_deletion
from shoal.domain.scheduling.plugins.cluster_eviction import cluster_eviction
from shoal.domain.scheduling.plugins.cluster_health import cluster_health
from shoal.domain.scheduling.plugins.failover_preference import failover_preference
from shoal.domain.scheduling.plugins.spread_constraint import spread_constraint
from shoal.domain.scheduling.plugins.taint_toleration import taint_toleration
from shoal.domain.scheduling.plugins.workload_affinity import workload_affinity
from shoal.domain.scheduling.plugins.workload_anti_affinity import workload_anti_affinity
from shoal.domain.scheduling.question import Question, Refusal

Plugin = Callable[[Question], Iterable[Refusal]]

PLUGINS: Mapping[str, Plugin] = MappingProxyType(
    {
        "ClusterDeletion": cluster_deletion,
        "APIEnablement": api_enablement,
        "ClusterAffinity": cluster_affinity,
        "TaintToleration": taint_toleration,
        "ClusterHealth": cluster_health,
        "SpreadConstraint": spread_constraint,
        "ClusterEviction": cluster_eviction,
        "FailoverPreference": failover_preference,
        "WorkloadAffinity": workload_affinity,
        "WorkloadAntiAffinity": workload_anti_affinity,
    }
)


def chosen(names: Iterable[str], plugins: Mapping[str, Plugin] = PLUGINS) -> dict[str, Plugin]:
    """The plugins of a `--plugins` list: `*` is all, `-Name` takes one away, the order of the table stays (E03).

    Raises ValueError for a name that is in no table.
    """
    wanted: dict[str, None] = {}
    for name in names:
        if name != "*" and name.removeprefix("-") not in plugins:
            raise ValueError(f"{name.removeprefix('-')} is no filter plugin; there are {', '.join(plugins)}")
        if name == "*":
            wanted |= dict.fromkeys(plugins)
        elif name.startswith("-"):
            wanted.pop(name[1:], None)
        else:
            wanted[name] = None
    return {name: plugin for name, plugin in plugins.items() if name in wanted}
