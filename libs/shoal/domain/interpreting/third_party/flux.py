"""Flux (toolkit.fluxcd.io): sources, and what is made of them in each member."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from shoal.api.meta import Manifest, Ref
from shoal.domain.interpreting.conditions import holds
from shoal.domain.interpreting.interpreter import Interpreter
from shoal.domain.interpreting.metadata import at, maps
from shoal.domain.interpreting.third_party.merging import Fields
from shoal.domain.interpreting.third_party.reading import Place, keep_suspend, needs_of_pods

_HELM = "helm.toolkit.fluxcd.io"
_KUSTOMIZE = "kustomize.toolkit.fluxcd.io"
_SOURCE = "source.toolkit.fluxcd.io"

_RELEASE = Fields(
    carried=("lastAttemptedRevision", "lastAppliedRevision", "lastAttemptedValuesChecksum", "helmChart", "lastReleaseRevision"),
    summed=("failures", "upgradeFailures", "installFailures"),
    conditions=True,
)
_KUSTOMIZATION = Fields(carried=("lastAttemptedRevision", "lastAppliedRevision"), conditions=True)
_ARTIFACT = Fields(
    carried=("artifact", "url", "lastHandledReconcileAt", "observedIgnore", "observedRecurseSubmodules", "observedChartName"),
    conditions=True,
)

_SECRETS: dict[str, tuple[Place, ...]] = {
    "GitRepository": (("spec", "secretRef", "name"), ("spec", "verify", "secretRef", "name")),
    "Bucket": (("spec", "secretRef", "name"),),
    "HelmRepository": (("spec", "secretRef", "name"),),
    "HelmChart": (("spec", "verify", "secretRef", "name"),),
    "OCIRepository": (
        ("spec", "secretRef", "name"),
        ("spec", "certSecretRef", "name"),
        ("spec", "verify", "secretRef", "name"),
    ),
}
"""Kind of source -> where it names Secrets."""
_ACCOUNT = (("spec", "serviceAccountName"),)
_KUBE_CONFIG = ("spec", "kubeConfig", "secretRef", "name")


def ready(live: Manifest) -> bool:
    """Condition Ready, whatever its reason: that word differs by version."""
    return holds(live.get("status") or {}, "Ready")


def _of(group: str, kind: str, fields: Fields, **named: tuple[Place, ...]) -> Interpreter:
    return Interpreter(
        group=group,
        kind=kind,
        retain=keep_suspend,
        reflect=fields.reflect,
        health=ready,
        aggregate=fields.aggregate,
        dependencies=needs_of_pods(**named),
    )


def _with_values(interpreter: Interpreter) -> Interpreter:
    """A release also needs the ConfigMaps and Secrets that its values come from."""
    named = interpreter.dependencies

    def dependencies(manifest: Manifest) -> Iterator[Ref]:
        yield from named(manifest) if named else ()
        namespace = at(manifest, "metadata", "namespace") or ""
        for source in maps(at(manifest, "spec", "valuesFrom")):
            if source.get("kind") in ("ConfigMap", "Secret") and isinstance(name := source.get("name"), str) and name:
                yield Ref("", source["kind"], namespace, name)

    return replace(interpreter, dependencies=dependencies)


INTERPRETERS = (
    _with_values(
        _of(
            _HELM,
            "HelmRelease",
            _RELEASE,
            Secret=(("spec", "chart", "spec", "verify", "secretRef", "name"), _KUBE_CONFIG),
            ServiceAccount=_ACCOUNT,
        )
    ),
    _of(
        _KUSTOMIZE,
        "Kustomization",
        _KUSTOMIZATION,
        Secret=(("spec", "decryption", "secretRef", "name"), _KUBE_CONFIG),
        ServiceAccount=_ACCOUNT,
    ),
    *(_of(_SOURCE, kind, _ARTIFACT, Secret=secrets, ServiceAccount=_ACCOUNT) for kind, secrets in _SECRETS.items()),
)
