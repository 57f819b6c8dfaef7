"""Grants of `clusters/proxy` in the hub -> a ClusterRole per member that lets the hub act there for those subjects (R15.12)."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Any

from shoal.api.cluster import GROUP as CLUSTER_GROUP
from shoal.api.meta import Manifest

GROUP = "rbac.authorization.k8s.io"
NAME = "karmada-impersonator"
"""Of the ClusterRole and its binding in the members, of the service account that is bound, and of what places them."""
NAMESPACE = "karmada-cluster"
"""In the members: where that service account is."""
_RESOURCES = {"User": "users", "Group": "groups", "ServiceAccount": "serviceaccounts"}
_PROXY = frozenset({"clusters/proxy", "*/proxy", "*"})
_POLICY = "policy.karmada.io/v1alpha1"

Rules = list[dict[str, Any]]


def impersonated(roles: Iterable[Manifest], bindings: Iterable[Manifest], clusters: Collection[str]) -> dict[str, Rules]:
    """By cluster: the rules of its ClusterRole; without the clusters in which nobody may act.

    A ClusterRole grants when a rule of it speaks of `clusters/proxy` in cluster.karmada.io, of this cluster or of all, whatever the verb;
    the subjects are those of the ClusterRoleBindings that refer to it.
    """
    reaches = {role["metadata"]["name"]: reach for role in roles if (reach := set(_reach(role, clusters)))}
    found: dict[str, set[tuple[str, str]]] = {}
    for binding in bindings:
        refers = binding.get("roleRef") or {}
        if refers.get("kind") != "ClusterRole":
            continue
        subjects = set(_subjects(binding))
        for cluster in reaches.get(refers.get("name", ""), ()):
            found.setdefault(cluster, set()).update(subjects)
    return {cluster: _rules(subjects) for cluster, subjects in sorted(found.items()) if subjects}


def parts_of(by_cluster: dict[str, Rules]) -> list[Manifest]:
    """The hub's objects that bring the roles to the members, to be made in that order; nothing without a cluster.

    An override gives each cluster its own rules; clusters with equal ones share it.
    """
    if not by_cluster:
        return []
    alike: list[tuple[Rules, list[str]]] = []
    for cluster, rules in by_cluster.items():
        same = next((names for known, names in alike if known == rules), None)
        if same is None:
            alike.append((rules, [cluster]))
        else:
            same.append(cluster)
    selectors = [{"apiVersion": f"{GROUP}/v1", "kind": kind, "name": NAME} for kind in ("ClusterRole", "ClusterRoleBinding")]
    overrides = [
        {
            "targetCluster": {"clusterNames": names},
            "overriders": {"plaintext": [{"path": "/rules", "operator": "add", "value": rules}]},
        }
        for rules, names in alike
    ]
    placing = {
        "resourceSelectors": selectors,
        "placement": {"clusterAffinity": {"clusterNames": list(by_cluster)}},
        "conflictResolution": "Overwrite",
    }
    metadata = {"name": NAME}
    role = {"apiGroup": GROUP, "kind": "ClusterRole", "name": NAME}
    account = {"kind": "ServiceAccount", "name": NAME, "namespace": NAMESPACE}
    return [
        {
            "apiVersion": _POLICY,
            "kind": "ClusterOverridePolicy",
            "metadata": metadata,
            "spec": {"resourceSelectors": selectors[:1], "overrideRules": overrides},
        },
        {"apiVersion": _POLICY, "kind": "ClusterPropagationPolicy", "metadata": metadata, "spec": placing},
        {"apiVersion": f"{GROUP}/v1", "kind": "ClusterRole", "metadata": metadata},
        {"apiVersion": f"{GROUP}/v1", "kind": "ClusterRoleBinding", "metadata": metadata, "roleRef": role, "subjects": [account]},
    ]


def _reach(role: Manifest, clusters: Collection[str]) -> Iterator[str]:
    for rule in role.get("rules") or ():
        if _PROXY.isdisjoint(rule.get("resources") or ()) or {CLUSTER_GROUP, "*"}.isdisjoint(rule.get("apiGroups") or ()):
            continue
        names: Sequence[str] = rule.get("resourceNames") or ()
        yield from (cluster for cluster in clusters if not names or cluster in names or "*" in names)


def _subjects(binding: Manifest) -> Iterator[tuple[str, str]]:
    for subject in binding.get("subjects") or ():
        resource = _RESOURCES.get(str(subject.get("kind")))
        if resource is not None and subject.get("name"):
            yield resource, str(subject["name"])


def _rules(subjects: set[tuple[str, str]]) -> Rules:
    names = {resource: sorted(name for kind, name in subjects if kind == resource) for resource in _RESOURCES.values()}
    return [
        {"apiGroups": [""], "resources": [one], "verbs": ["impersonate"], "resourceNames": found} for one, found in names.items() if found
    ]
