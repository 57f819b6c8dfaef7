"""FailoverPolicy (`shoal.dev/v1alpha1`)."""

from __future__ import annotations

from collections.abc import Iterator

from shoal.api.meta import Manifest
from shoal.api.shoal import FailoverPolicy
from shoal.domain.admission.selectors import check_resource_selectors
from shoal.domain.admission.syntax import one_of
from shoal.domain.admission.violation import Violation

_TIERS = ("SameRegion", "SameProvider", "Any")


def default(policy: Manifest) -> Manifest:
    """Everything has a default in the struct; what is not written stays unwritten."""
    return policy | {"spec": dict(policy.get("spec") or {})}


def validate(policy: FailoverPolicy, old: FailoverPolicy | None) -> Iterator[Violation]:
    spec = policy.spec
    yield from check_resource_selectors(spec.resource_selectors, "spec.resourceSelectors", namespace=policy.metadata.namespace)
    if not spec.prefer:
        yield Violation("spec.prefer", f"Required value: at least one of {', '.join(_TIERS)}")
    for index, tier in enumerate(spec.prefer):
        yield from one_of(tier, _TIERS, f"spec.prefer[{index}]")
        if tier in spec.prefer[:index]:
            yield Violation(f"spec.prefer[{index}]", f"Duplicate value: {tier} is listed before")
    yield from one_of(spec.purge_mode, ("Directly", "Gracefully"), "spec.purgeMode")
