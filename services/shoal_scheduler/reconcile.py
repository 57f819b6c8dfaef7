"""One template -> its binding."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import structlog

from shoal.api.binding import Binding
from shoal.api.clock import Clock
from shoal.api.meta import Manifest, Ref
from shoal.bus.entries import Draft, Entries, Entry
from shoal.bus.view import View
from shoal.domain import interpreting
from shoal.domain.deciding import Inputs, Outcome, Owner, Peer, decide
from shoal.messages.catalogue import BINDING, OBJECT, STATUS
from shoal.runtime.telemetry import following
from shoal_scheduler.knowledge import Knowledge

log = structlog.get_logger()


@dataclass(frozen=True)
class Reconciler:
    """Reads what it owns, reads the inputs, decides, writes; may run twice."""

    entries: Entries
    state: View
    knowledge: Knowledge
    clock: Clock
    again: Callable[[Ref, float], None]
    """Queues a template once more after some seconds: a toleration ends, a summary may be written."""

    async def reconcile(self, ref: Ref) -> int:
        """Decides one template; returns the sequence written, 0 for none."""
        previous = self.state.get(BINDING, ref)
        template = self.state.get(OBJECT, ref)
        outcome = decide(self._inputs(ref, template, previous))
        if outcome.requeue_after_s is not None:
            self.again(ref, outcome.requeue_after_s)
        if outcome.changed and outcome.binding is not None:
            cause = template or previous
            with following("schedule", cause.trace if cause else "", binding=str(ref)) as headers:
                return await self._write(ref, template, previous, outcome, outcome.binding, headers)
        await self._purge(template, previous)
        return 0

    def _inputs(self, ref: Ref, template: Entry[Manifest] | None, previous: Entry[Binding] | None) -> Inputs:
        body = template.body if template is not None and not template.deleted else None
        replicas = interpreting.replicas_of(body) if body is not None else None
        status = self.state.get(STATUS, ref)
        return Inputs(
            ref=ref,
            template=body,
            template_uid=template.uid if template else "",
            template_revision=template.content if template else 0,
            template_deleted=template is not None and template.deleted,
            policies=self.knowledge.policies,
            failover_policies=self.knowledge.failover_policies(ref.namespace),
            overrides=self.knowledge.overrides,
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
            now=self.clock.now(),
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
                affinity_group=peer.body.affinity_group,
                anti_affinity_group=peer.body.anti_affinity_group,
                clusters=frozenset(target.name for target in peer.body.clusters),
            )
            for peer in self.knowledge.grouped(ref.namespace)
            if peer.ref != ref
        )

    async def _write(
        self,
        ref: Ref,
        template: Entry[Manifest] | None,
        previous: Entry[Binding] | None,
        outcome: Outcome,
        binding: Binding,
        headers: dict[str, str],
    ) -> int:
        draft = Draft(
            family=BINDING,
            ref=ref,
            body=binding,
            uid=binding.template_uid,
            inputs={"template": binding.template_revision, **({"policy": binding.claim.revision} if binding.claim else {})},
            change=template.change if template else previous.change if previous else "",
            author="scheduler",
            deleted=outcome.tombstone,
            previous=previous,
            headers=headers,
        )
        sequence = await self.entries.write(draft, expected=previous.revision if previous else 0)
        log.info(
            "binding ended" if outcome.tombstone else "binding scheduled",
            binding=str(ref),
            clusters={target.name: target.replicas for target in binding.clusters},
            removals=sorted(binding.removals),
            change=draft.change,
        )
        return sequence

    async def _purge(self, template: Entry[Manifest] | None, previous: Entry[Binding] | None) -> None:
        """Housekeeping: the tombstone of a binding goes when its template is gone and no copy is left."""
        if previous is None or not previous.deleted or (template is not None and not template.deleted):
            return
        status = self.state.get(STATUS, previous.ref)
        if status is None or status.deleted or (not status.body.copies and status.inputs.get("binding", 0) >= previous.revision):
            await self.entries.purge(previous)
