"""The works of one binding as they would be, beside those that are there."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from shoal.api.binding import Binding
from shoal.api.errors import Terminal
from shoal.api.meta import Manifest, Ref
from shoal.api.override import OverridePolicy
from shoal.api.plan import CHANGED, CREATED, DELETED, FAILED, HELD, KEPT, PlannedManifest
from shoal.api.selecting import Located
from shoal.api.work import Work
from shoal.domain.planning.differences import manifest_differences
from shoal.domain.releasing import purging
from shoal.domain.rendering import failed, render, same_content


class Planned(NamedTuple):
    cluster: str
    before: Work | None
    after: Work | None
    """None: the copy goes."""
    preserved: bool = False
    after_purge: tuple[str, ...] = ()
    """It is not made before the copies in these clusters are gone (R6.2)."""

    def told(self, ref: Ref) -> PlannedManifest | None:
        """What people are told; None when only marks differ."""
        if self.after is None:
            return PlannedManifest(ref=str(ref), cluster=self.cluster, action=KEPT if self.preserved else DELETED)
        if self.after.error:
            return PlannedManifest(ref=str(ref), cluster=self.cluster, action=FAILED, error=self.after.error)
        fields = manifest_differences(self.before.manifest if self.before else None, self.after.manifest)
        if self.before is not None and not fields:
            return None
        action = HELD if self.after_purge else CREATED if self.before is None else CHANGED
        policies = tuple(one.policy for one in self.after.overrides)
        waits = f"until the copy in {', '.join(self.after_purge)} is gone (purgeMode Directly)" if self.after_purge else ""
        return PlannedManifest(ref=str(ref), cluster=self.cluster, action=action, fields=fields, overrides=policies, error=waits)


def planned_works(
    template: Manifest | None,
    binding: Binding,
    clusters: Mapping[str, Located],
    overrides: Iterable[OverridePolicy],
    current: Mapping[str, Work],
    *,
    before: Binding | None = None,
    change: str = "",
    tombstone: bool = False,
) -> list[Planned]:
    """The works of a binding that would be written, by cluster; equal content is not written again.

    `template` is the object at the content revision that the binding names (None with `tombstone`), `current` the works that are there. A
    copy goes with the removal that lists its cluster, or with the whole template; one that is merely absent from the binding stays, and one
    that leaves already (a removal of `before`) is no news.
    """
    leaving = before.removals if before is not None else {}
    if tombstone:
        return [
            Planned(name, work, None, binding.preserve_resources_on_deletion)
            for name, work in sorted(current.items())
            if binding.target(name) is not None or name in binding.removals
        ]
    policies, found, first = tuple(overrides), list[Planned](), purging(binding, current)
    for target in binding.clusters if template is not None else ():
        cluster, there = clusters.get(target.name), current.get(target.name)
        if cluster is None or template is None:
            continue
        fresh = Work(
            cluster=target.name, epoch=target.epoch, template_uid=binding.template_uid, template_revision=binding.template_revision
        )
        try:
            work = render(template, binding, target, cluster, policies, template_revision=binding.template_revision, change=change)
        except Terminal as error:
            work = failed(there, fresh, error)
        if there is None or not same_content(there, work):
            found.append(Planned(target.name, there, work, after_purge=first if there is None else ()))
    found += [
        Planned(name, current[name], None, removal.preserve)
        for name, removal in sorted(binding.removals.items())
        if name in current and name not in leaving
    ]
    return sorted(found, key=lambda one: one.cluster)
