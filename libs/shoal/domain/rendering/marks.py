"""Our marks on a member's copy: whose it is, what it was rendered from, which keys are the hub's (R6.6)."""

from __future__ import annotations

from shoal.api.meta import Manifest, ref_of
from shoal.api.shoal import (
    CHANGE_ANNOTATION,
    CONFLICT_ANNOTATION,
    EPOCH_ANNOTATION,
    GENERATION_ANNOTATION,
    MANAGED_ANNOTATIONS_ANNOTATION,
    MANAGED_LABEL,
    MANAGED_LABELS_ANNOTATION,
    UID_ANNOTATION,
)
from shoal.domain.rendering.names import binding_name, execution_namespace, work_name


def conflict_of(template: Manifest, from_policy: str) -> str:
    """Abort or Overwrite: the template's annotation when it is `overwrite` or `abort`, else the policy's word, else Abort (R6.7)."""
    word = (template.get("metadata", {}).get("annotations") or {}).get(CONFLICT_ANNOTATION)
    if word in ("overwrite", "abort"):
        return str(word).capitalize()
    return "Overwrite" if from_policy == "Overwrite" else "Abort"


def marked(manifest: Manifest, template: Manifest, cluster: str, *, uid: str, epoch: int, change: str, conflict: str) -> Manifest:
    """The manifest with all marks but the digest, which the agent adds when it applies. `uid` is that of the Work, which fencing compares."""
    metadata = manifest["metadata"]
    ref = ref_of(manifest)
    binding = "resourcebinding" if ref.namespace else "clusterresourcebinding"
    labels = {**(metadata.get("labels") or {}), MANAGED_LABEL: "true"}
    annotations = {
        **(metadata.get("annotations") or {}),
        UID_ANNOTATION: uid,
        GENERATION_ANNOTATION: str(template["metadata"].get("generation", 0)),
        EPOCH_ANNOTATION: str(epoch),
        CONFLICT_ANNOTATION: conflict.lower(),
        "work.karmada.io/name": work_name(ref),
        "work.karmada.io/namespace": execution_namespace(cluster),
        f"{binding}.karmada.io/name": binding_name(ref_of(template)),
        MANAGED_LABELS_ANNOTATION: ",".join(sorted(labels)),
    }
    if ref.namespace:
        annotations["resourcebinding.karmada.io/namespace"] = ref.namespace
    if change:
        annotations[CHANGE_ANNOTATION] = change
    # The change id is listed also when there is none, so that the list does not depend on it.
    annotations[MANAGED_ANNOTATIONS_ANNOTATION] = ",".join(sorted({*annotations, CHANGE_ANNOTATION, MANAGED_ANNOTATIONS_ANNOTATION}))
    return {**manifest, "metadata": {**metadata, "labels": labels, "annotations": annotations}}


def without_change(manifest: Manifest) -> Manifest:
    """The manifest but for its change id, which says which change made this content and is no content itself."""
    metadata = manifest.get("metadata", {})
    annotations = metadata.get("annotations") or {}
    if CHANGE_ANNOTATION not in annotations:
        return manifest
    kept = {key: value for key, value in annotations.items() if key != CHANGE_ANNOTATION}
    return {**manifest, "metadata": {**metadata, "annotations": kept}}
