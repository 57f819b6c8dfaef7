"""The hub's own rules at the door: what a write may be, what is added to it, and in whose name it is stored."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime

from shoal.api import cluster
from shoal.api.cluster import MEMBER_ID_ANNOTATION
from shoal.api.errors import ManifestInvalid
from shoal.api.meta import Manifest, Ref
from shoal.bus.view import View
from shoal.domain import admission
from shoal.domain.admission import Violation
from shoal.domain.matching.exclusions import reserved
from shoal.kube.apiserver.admission import Context, Operation
from shoal.kube.apiserver.errors import Cause, conflict, forbidden, invalid
from shoal.kube.apiserver.lifecycle import check_size
from shoal.messages.catalogue import BELIEF, OBJECT
from shoal.messages.subject import encode_ref
from shoal_gateway import bodies, edits, merge, origin
from shoal_gateway.kinds import INERT, READ_ONLY, is_template

PROPAGATION = "shoal.dev/propagation"
"""Finalizer of a template: released when no member has a copy any more."""
DRAINED = "cluster.shoal.dev/drained"
"""Finalizer of a Cluster: released when no binding lists it any more."""
OWN_FINALIZERS = (PROPAGATION, DRAINED)
KEPT_NAMESPACES = ("default", "kube-system", "shoal-system")
"""Made at the first start; nobody deletes them."""
_NOT_PLACED = frozenset({("", "Event"), ("events.k8s.io", "Event"), ("coordination.k8s.io", "Lease")})
_NAMED_MAX = 5
"""Objects that a refused deletion of a namespace lists."""


def finalizer_of(ref: Ref) -> str:
    """Our finalizer for objects of this kind; empty when nothing has to happen before they go."""
    if (ref.group, ref.kind) == (cluster.GROUP, cluster.KIND):
        return DRAINED
    if not is_template(ref) or (ref.group, ref.kind) in _NOT_PLACED:
        return ""
    return "" if ref.kind == "Namespace" and ref.name == "default" else PROPAGATION


class HubAdmission:
    """Implements `kube.apiserver.admission.Admission`. Reads the view, writes nothing but the origin of this task's write."""

    def __init__(self, view: View, *, now: Callable[[], datetime], object_bytes_max: int, default_models: bool) -> None:
        """`default_models`: a Cluster without resource models gets Karmada's."""
        self._view, self._now, self._object_bytes_max, self._default_models = view, now, object_bytes_max, default_models

    def receive(self, sent: Manifest, *, context: Context) -> Manifest:
        """Without what the system adds when it is read: our finalizers, and the taints of a belief."""
        metadata = sent["metadata"]
        ours = [name for name in metadata.get("finalizers") or () if name in OWN_FINALIZERS]
        if ours:
            kept = [name for name in metadata["finalizers"] if name not in ours]
            metadata = {key: value for key, value in metadata.items() if key != "finalizers"} | ({"finalizers": kept} if kept else {})
            sent = {**sent, "metadata": metadata}
        if merge.is_cluster(context.ref) and isinstance(sent.get("spec"), dict) and sent["spec"].get("taints"):
            belief, own = self._view.get(BELIEF, context.ref), self._view.get(OBJECT, context.ref)
            if belief is not None and not belief.deleted:
                stored = own.body if own is not None and not own.deleted else None
                sent = {**sent, "spec": merge.without_held(sent["spec"], (stored or {}).get("spec") or {}, bodies.belief(belief).taints)}
        return sent

    async def admit(self, operation: Operation, old: Manifest | None, new: Manifest | None, *, context: Context) -> Manifest:
        origin.enter(_origin(context))
        if not origin.current().trusted:
            _check_place(context)
        if operation == "DELETE":
            if old is None:
                raise ValueError("a deletion has an object")
            self._check_delete(old, context)
            # Made before the rule, or by hand: it waits for its copies like any other.
            return old if old["metadata"].get("deletionTimestamp") else _with_finalizer(old, None, context.ref)
        if new is None:
            raise ValueError("a write has an object")
        if old is not None and new["metadata"].get("deletionTimestamp") and not old["metadata"].get("deletionTimestamp"):
            self._check_delete(old, context)  # A deletion that only marks the object comes as an update.
            return _with_finalizer(new, old, context.ref)
        if context.subresource:
            return _with_finalizer(new, old, context.ref)
        if old is not None and merge.is_cluster(context.ref) and not origin.current().trusted:
            new = _with_identity(new, old)
        check_size(new, self._object_bytes_max)
        if edits.is_binding(context.ref):
            if origin.current().author.startswith("deploy/"):
                raise forbidden(context.resource, context.ref.name, "what is said on a binding is no part of a deploy; use kubectl")
            if old is not None and (wrong := list(edits.refusals(old, new))):
                raise invalid(context.resource, context.ref.name, wrong)
            return new
        if told := INERT.get((context.ref.group, context.ref.kind), ""):
            _check_inert(context, told)
        if self._default_models and merge.is_cluster(context.ref):
            new = admission.with_default_models(new)
        ruled = _ruled(old, new, context, self._now())
        self._check_clashes(ruled, context)
        return _with_finalizer(ruled, old, context.ref)

    def _check_clashes(self, new: Manifest, context: Context) -> None:
        """Raises for what contradicts another object of the kind; two that are made in the same moment are not told from each other."""
        ref = context.ref
        others = (entry.body for entry in self._view.entries(OBJECT, group=ref.group, kind=ref.kind) if not entry.deleted)
        _refuse(admission.clashes(new, others), context)

    def _check_delete(self, old: Manifest, context: Context) -> None:
        protected = admission.refuse_deletion(old)
        if protected:
            raise forbidden(context.resource, context.ref.name, protected)
        if context.ref.kind != "Namespace" or context.ref.group:
            return
        if context.ref.name in KEPT_NAMESPACES:
            raise forbidden(context.resource, context.ref.name, "this namespace may not be deleted")
        held = [
            entry.ref
            for entry in self._view.entries(OBJECT, namespace=context.ref.name)
            if not entry.deleted and not edits.is_binding(entry.ref)  # What was said on a binding goes with it.
        ]
        if held:
            shown = ", ".join(f"{ref.kind} {ref.name}" for ref in held[:_NAMED_MAX]) + (", ..." if len(held) > _NAMED_MAX else "")
            raise conflict(
                context.resource,
                context.ref.name,
                f"the namespace still holds {len(held)} objects ({shown}); delete them first, so that no workload goes by accident",
            )


def _origin(context: Context) -> origin.Origin:
    asked = origin.current()
    if asked.trusted or asked.author.startswith("deploy/"):
        return asked._replace(status=context.subresource == "status")
    author = "/".join(part for part in (context.user or "anonymous", context.manager) if part)
    return origin.Origin(author, asked.change, status=context.subresource == "status")


def _check_place(context: Context) -> None:
    """Raises for kinds that the system writes, and for names that cannot be or may not be written."""
    ref = context.ref
    if (ref.group, ref.kind) in READ_ONLY:
        raise forbidden(
            context.resource, ref.name, "it is written by Shoal itself and is read only; change the template or its policy instead"
        )
    names = (ref.namespace, ref.name if ref.kind == "Namespace" and not ref.group else "")
    taken = next((name for name in names if reserved(name)), "")
    if taken:
        raise forbidden(context.resource, ref.name, f"namespace {taken} is reserved for Shoal itself; use another one")
    try:
        encode_ref(ref)
    except ManifestInvalid as error:
        raise invalid(context.resource, ref.name[:80], [Cause("metadata.name", "FieldValueTooLong", str(error))]) from error


def _ruled(old: Manifest | None, new: Manifest, context: Context, now: datetime) -> Manifest:
    """The object with the defaults of our kinds. Raises the 422 that lists everything that is wrong with it."""
    filled, violations = admission.admit(new, old, now=now.strftime("%Y-%m-%dT%H:%M:%SZ"))
    _refuse(violations, context)
    return filled


def _refuse(violations: Sequence[Violation], context: Context) -> None:
    if violations:
        raise invalid(context.resource, context.ref.name, [Cause(one.path, _reason(one.message), one.message) for one in violations])


def _check_inert(context: Context, told: str) -> None:
    """A deploy says what shall be; a kind that nothing acts upon would let it be "ready" without having been carried out."""
    if origin.current().author.startswith("deploy/"):
        raise forbidden(
            context.resource, context.ref.name, f"Shoal does not act upon {context.ref.kind} ({told}); leave it out of the deploy"
        )


def _reason(message: str) -> str:
    return next((reason for start, reason in _REASONS if message.startswith(start)), "FieldValueInvalid")


_REASONS = (
    ("Required value", "FieldValueRequired"),
    ("Duplicate value", "FieldValueDuplicate"),
    ("Too long", "FieldValueTooLong"),
    ("Unsupported value", "FieldValueNotSupported"),
)


def _with_identity(new: Manifest, old: Manifest) -> Manifest:
    """Which member a Cluster is, is not the user's to change: what a PUT lacks stays (another `spec.id` is refused by the rules)."""
    spec, before = new.get("spec") or {}, old.get("spec") or {}
    if before.get("id") and not spec.get("id"):
        new = {**new, "spec": {**spec, "id": before["id"]}}
    member = (old["metadata"].get("annotations") or {}).get(MEMBER_ID_ANNOTATION)
    annotations = new["metadata"].get("annotations") or {}
    if member and annotations.get(MEMBER_ID_ANNOTATION) != member:
        new = {**new, "metadata": {**new["metadata"], "annotations": {**annotations, MEMBER_ID_ANNOTATION: member}}}
    return new


def _with_finalizer(new: Manifest, old: Manifest | None, ref: Ref) -> Manifest:
    """Our finalizer is put on when an object is made, and stays until we release it ourselves: a PUT that lacks it is no release."""
    wanted = [name for name in OWN_FINALIZERS if old is not None and name in (old["metadata"].get("finalizers") or ())]
    if old is None and (name := finalizer_of(ref)):
        wanted.append(name)
    given = list(new["metadata"].get("finalizers") or ())
    if all(name in given for name in wanted):
        return new
    return {**new, "metadata": {**new["metadata"], "finalizers": given + [name for name in wanted if name not in given]}}


__all__ = ["DRAINED", "KEPT_NAMESPACES", "OWN_FINALIZERS", "PROPAGATION", "HubAdmission", "finalizer_of"]
