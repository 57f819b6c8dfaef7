"""What one decision reads: the entries of a state, put together as `deciding.Inputs`.

The state may be the live view, one that is only supposed (a plan), or one of the past (a replay): all three decide from here, so that they
cannot come apart.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol, TypeVar

from shoal.api.binding import Binding
from shoal.api.meta import Manifest, Ref
from shoal.bus.entries import Draft, Entry
from shoal.domain import interpreting
from shoal.domain.deciding import Inputs, Owner, Peer
from shoal.messages.catalogue import BINDING, OBJECT, STATUS, Family
from shoal_scheduler.knowledge import Knowledge

T = TypeVar("T")


class State(Protocol):
    """Entries of `STATE` at one position; `bus.view.View` is one."""

    @property
    def complete(self) -> bool: ...

    @property
    def position(self) -> int: ...

    def get(self, family: Family[T], ref: Ref, member: str = "") -> Entry[T] | None: ...

    def entries(
        self, family: Family[T], *, group: str | None = None, kind: str | None = None, namespace: str | None = None
    ) -> Iterator[Entry[T]]: ...


@dataclass(frozen=True)
class Reading:
    state: State
    knowledge: Knowledge

    def inputs(self, ref: Ref, *, now: datetime) -> Inputs:
        """All that the decision about one template may know."""
        template, previous, status = self.state.get(OBJECT, ref), self.state.get(BINDING, ref), self.state.get(STATUS, ref)
        body = template.body if template is not None and not template.deleted else None
        replicas = interpreting.replicas_of(body) if body is not None else None
        return Inputs(
            ref=ref,
            template=body,
            template_uid=template.uid if template else "",
            template_revision=template.content if template else 0,
            template_deleted=template is not None and template.deleted,
            policies=self.knowledge.policies,
            failover_policies=self.knowledge.failover_policies(ref.namespace),
            overrides=self.knowledge.overrides,
            priority_classes=self.knowledge.priority_classes,
            snapshot=self.knowledge.snapshot,
            previous=previous.body if previous else None,
            previous_deleted=previous is not None and previous.deleted,
            status=status.body if status is not None and not status.deleted else None,
            owners=self._owners(ref),
            peers=self._peers(ref),
            occupied=self._occupied(ref),
            replicas=replicas.count if replicas else 0,
            requirements=replicas.requirements if replicas else None,
            components=replicas.components if replicas else (),
            wishes=self.knowledge.wishes.get(ref),
            reschedule_at=self.knowledge.reschedule_at(ref),
            unschedulable=self.knowledge.unschedulable_of(ref, previous.revision if previous else 0),
            quotas=self.knowledge.quotas(ref),
            reservations=self.knowledge.ledger,
            now=now,
            position=self.state.position,
        )

    def _owners(self, ref: Ref) -> tuple[Owner, ...]:
        """Workloads that this object follows: those whose policy propagates dependencies, and for a following Service all it selects."""
        found = ((owner, wish, self.state.get(BINDING, owner)) for owner, wish in self.knowledge.dependencies.owners_of(ref))
        return tuple(
            Owner(ref=owner, binding=binding.body)
            for owner, wish, binding in found
            if binding is not None and not binding.deleted and (wish or binding.body.propagate_deps)
        )

    def _occupied(self, ref: Ref) -> frozenset[str]:
        """Of a Namespace: clusters where something inside it is, or is on its way out; the namespace leaves a cluster last."""
        if (ref.group, ref.kind) != ("", "Namespace"):
            return frozenset()
        inside = (entry.body for entry in self.state.entries(BINDING, namespace=ref.name))
        return frozenset(name for binding in inside for name in (*(t.name for t in binding.clusters), *binding.removals))

    def _peers(self, ref: Ref) -> tuple[Peer, ...]:
        """Other workloads of the namespace that are in an affinity or anti-affinity group (C14, C15)."""
        return tuple(
            Peer(
                affinity_group=binding.affinity_group,
                anti_affinity_group=binding.anti_affinity_group,
                clusters=frozenset(target.name for target in binding.clusters),
            )
            for peer, binding in self.knowledge.grouped(ref.namespace)
            if peer != ref
        )


def draft_of(
    ref: Ref,
    binding: Binding,
    *,
    template: Entry[Manifest] | None,
    previous: Entry[Binding] | None,
    tombstone: bool,
    headers: dict[str, str] | None = None,
) -> Draft[Binding]:
    """The entry for a decision."""
    return Draft(
        family=BINDING,
        ref=ref,
        body=binding,
        uid=binding.template_uid,
        inputs={
            "template": binding.template_revision,
            **({"policy": binding.claim.revision} if binding.claim else {}),
            **({"previous": previous.revision} if previous else {}),
        },
        change=template.change if template else previous.change if previous else "",
        author="scheduler",
        deleted=tombstone,
        previous=previous,
        headers=headers or {},
    )
