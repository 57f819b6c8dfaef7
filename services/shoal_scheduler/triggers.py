"""Which templates to look at again when something changed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

from shoal.api.apps import GROUP as APPS_GROUP
from shoal.api.binding import Binding
from shoal.api.meta import Manifest, Ref, group_of
from shoal.api.policy import GROUP as POLICY_GROUP
from shoal.api.policy import PropagationPolicy
from shoal.api.shoal import GROUP as SHOAL_GROUP
from shoal.bus.entries import Entry
from shoal.bus.work_queue import WorkQueue
from shoal.domain.matching import Owned
from shoal.messages.catalogue import BINDING, OBJECT, STATUS
from shoal_scheduler.knowledge import FEDERATED_QUOTA, NOT_TEMPLATES, PROPAGATION_KINDS, ROOM, WORK_GROUP, Knowledge, owned
from shoal_scheduler.reading import State


class Queue(Protocol):
    """Where templates wait to be decided; `bus.work_queue.WorkQueue` is one."""

    def add(self, key: Ref, *, fresh: bool = False, sequence: int | None = None) -> None: ...


@dataclass(frozen=True)
class Triggers:
    """The view's callback. What the user changed is fresh and overtakes bulk; what follows from it is not."""

    state: State
    knowledge: Knowledge
    queue: Queue

    def heard(self, entry: Entry[Any], previous: Entry[Any] | None) -> None:
        wished_before = self.knowledge.wished_on(entry.ref)
        difference = self.knowledge.heard(entry)
        followers = self._dependencies(entry)
        if not self.state.complete:
            return  # Everything is queued once the view is complete.
        family, ref = entry.family.name, entry.ref
        if difference == ROOM:
            for unplaced in tuple(self.knowledge.unplaced):
                self.queue.add(unplaced, sequence=entry.revision)
        elif difference:
            self._clusters(ref.name, entry.revision)
        elif family == OBJECT.name and ref.group == POLICY_GROUP and ref.kind in PROPAGATION_KINDS:
            self._policy(entry, previous)
        elif family == OBJECT.name and ref.group == SHOAL_GROUP and ref.kind == "FailoverPolicy":
            self.everything()
        elif (family == BINDING.name or (ref.group, ref.kind) == FEDERATED_QUOTA) and self.knowledge.has_quotas(ref.namespace):
            for unplaced in tuple(self.knowledge.unplaced):  # What one uses no more, another may.
                if unplaced.namespace == ref.namespace and unplaced != ref:
                    self.queue.add(unplaced, sequence=entry.revision)
        elif family == OBJECT.name and ref.group == WORK_GROUP:
            for template in (wished_before, self.knowledge.wished_on(ref)):
                if template is not None:
                    self.queue.add(template, fresh=True, sequence=entry.revision)
        elif family == OBJECT.name and ref.group == APPS_GROUP:
            for workload in self.knowledge.rebalancers.get(ref, ("", frozenset[Ref]()))[1]:
                self.queue.add(workload, fresh=True, sequence=entry.revision)
        elif family == OBJECT.name and is_template(ref):
            self.queue.add(ref, fresh=True, sequence=entry.revision)
        elif family == STATUS.name:
            self._status(entry)
        for follower in followers:
            self.queue.add(follower, fresh=True, sequence=entry.revision)
        if family == OBJECT.name:
            self._needed(entry, previous)

    def everything(self) -> None:
        """After a load, and now and then: the same reconcile over all keys."""
        for ref in self._all():
            self.queue.add(ref)

    def _all(self) -> Iterator[Ref]:
        yield from (entry.ref for entry in self.state.entries(OBJECT) if is_template(entry.ref))
        yield from (entry.ref for entry in self.state.entries(BINDING))

    def _dependencies(self, entry: Entry[Any]) -> frozenset[Ref]:
        """Keeps the index; what follows a workload looks again when the workload or its binding changed."""
        if entry.family.name == OBJECT.name and is_template(entry.ref):
            manifest: Manifest | None = None if entry.deleted else entry.body
            return self.knowledge.dependencies.heard(entry.ref, manifest)
        if entry.family.name == BINDING.name:
            return frozenset(self.knowledge.dependencies.followers_of(entry.ref))
        return frozenset()

    def _clusters(self, name: str, sequence: int) -> None:
        """A cluster joined, changed or was lost: what runs there first, then everything that may want to."""
        for binding in self.state.entries(BINDING):
            there = binding.body.target(name) is not None or name in binding.body.removals
            self.queue.add(binding.ref, fresh=there, sequence=sequence)

    def _policy(self, entry: Entry[Any], previous: Entry[Any] | None) -> None:
        """What the policy owns, and everything of the kinds its old or new selectors name."""
        for ref in tuple(self.knowledge.claimed.get(entry.ref, ())):
            self.queue.add(ref, fresh=True, sequence=entry.revision)
        for policy in (owned(entry), owned(previous)):
            if policy is not None:
                self._selected(policy, entry.revision)

    def _needed(self, entry: Entry[Any], previous: Entry[Any] | None) -> None:
        """An override policy or a PriorityClass that came or went: what waits for it, and what would wait for it now (R1.4, R2.6)."""
        if entry.deleted == (previous is None or previous.deleted):
            return
        for policy in self.knowledge.needing(entry.ref):
            self._selected(policy, entry.revision)

    def _selected(self, policy: Owned[PropagationPolicy], sequence: int) -> None:
        for selector in policy.object.spec.resource_selectors:
            namespace = policy.ref.namespace or selector.namespace or None
            for found in self.state.entries(OBJECT, group=group_of(selector.api_version), kind=selector.kind, namespace=namespace):
                self.queue.add(found.ref, sequence=sequence)

    def _status(self, entry: Entry[Any]) -> None:
        """A removal may be over, a replacement ready, a deletion complete, an application found to have failed."""
        binding = self.state.get(BINDING, entry.ref)
        if binding is not None and (binding.deleted or binding.body.removals or self._moves_when_failed(entry, binding.body)):
            self.queue.add(entry.ref, sequence=entry.revision)

    @staticmethod
    def _moves_when_failed(entry: Entry[Any], binding: Binding) -> bool:
        asked = binding.failover is not None and binding.failover.application is not None
        return asked and not entry.deleted and any(copy.failed for copy in entry.body.copies)


def is_template(ref: Ref) -> bool:
    """Objects that may be placed; which of them are is `domain.matching`'s to say."""
    return ref.group not in NOT_TEMPLATES


@dataclass(frozen=True)
class Prioritized:
    """The queue, for callers that do not know of priorities (R05)."""

    queue: WorkQueue[Ref]
    state: State
    knowledge: Knowledge

    def add(self, key: Ref, *, fresh: bool = False, sequence: int | None = None) -> None:
        self.queue.add(key, fresh=fresh, sequence=sequence, priority=self.knowledge.priority(key, self.state.get(OBJECT, key)))
