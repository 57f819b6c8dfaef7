"""Who follows whom: ConfigMaps, Secrets and ServiceAccounts that a pod template names, and Services whose selector finds the pods."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from shoal.api.meta import Manifest, Ref
from shoal.api.shoal import FOLLOW_ANNOTATION
from shoal.domain import interpreting

FOLLOW_WORKLOADS = "selected-workloads"


class Dependencies:
    """An index over all templates, kept up by the view's callbacks; asked in both directions."""

    def __init__(self) -> None:
        self._needs: dict[Ref, frozenset[Ref]] = {}
        self._needed_by: dict[Ref, set[Ref]] = defaultdict(set)
        self._pods: dict[str, dict[Ref, dict[str, str]]] = defaultdict(dict)
        """Namespace -> workload -> labels of its pods."""
        self._services: dict[str, dict[Ref, dict[str, str]]] = defaultdict(dict)
        """Namespace -> following Service -> selector."""

    def heard(self, ref: Ref, manifest: Manifest | None) -> frozenset[Ref]:
        """Takes in a template (None: it is gone). The refs whose owners may have changed by that."""
        touched = set(self.followers_of(ref))
        before = self._needs.pop(ref, frozenset())
        for dependency in before:
            self._needed_by[dependency].discard(ref)
        self._pods[ref.namespace].pop(ref, None)
        self._services[ref.namespace].pop(ref, None)
        if manifest is not None:
            self._take_in(ref, manifest)
        return frozenset(touched | before | set(self.followers_of(ref)))

    def _take_in(self, ref: Ref, manifest: Manifest) -> None:
        needs = frozenset(interpreting.dependencies(manifest))
        if needs:
            self._needs[ref] = needs
            for dependency in needs:
                self._needed_by[dependency].add(ref)
        labels = _pod_labels(manifest)
        if labels:
            self._pods[ref.namespace][ref] = labels
        if ref.kind == "Service" and (manifest["metadata"].get("annotations") or {}).get(FOLLOW_ANNOTATION) == FOLLOW_WORKLOADS:
            self._services[ref.namespace][ref] = (manifest.get("spec") or {}).get("selector") or {}

    def followers_of(self, workload: Ref) -> Iterator[Ref]:
        """What goes where this workload goes."""
        yield from self._needs.get(workload, ())
        labels = self._pods.get(workload.namespace, {}).get(workload)
        if labels:
            yield from (s for s, selector in self._services.get(workload.namespace, {}).items() if _selects(selector, labels))

    def owners_of(self, ref: Ref) -> Iterator[tuple[Ref, bool]]:
        """Workloads that this object follows; True when it follows by its own wish (a Service), whatever the workload's policy says."""
        yield from ((owner, False) for owner in sorted(self._needed_by.get(ref, ())))
        selector = self._services.get(ref.namespace, {}).get(ref)
        if selector is not None:
            yield from ((w, True) for w, labels in sorted(self._pods.get(ref.namespace, {}).items()) if _selects(selector, labels))


def _pod_labels(manifest: Manifest) -> dict[str, str]:
    template = (manifest.get("spec") or {}).get("template")
    if not isinstance(template, dict):
        return {}
    return (template.get("metadata") or {}).get("labels") or {}


def _selects(selector: dict[str, str], labels: dict[str, str]) -> bool:
    return bool(selector) and all(labels.get(key) == value for key, value in selector.items())
