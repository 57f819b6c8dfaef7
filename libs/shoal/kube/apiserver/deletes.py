"""Deleting: preconditions, finalizers, collections, and Namespaces that wait for their content."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from shoal.api.errors import RevisionConflict
from shoal.api.meta import Manifest, Ref
from shoal.kube.apiserver.asked import ATTEMPTS_MAX, Asked, Parts, present
from shoal.kube.apiserver.decoding import expect_object, parse
from shoal.kube.apiserver.errors import StatusError, conflict, not_found, success
from shoal.kube.apiserver.lifecycle import is_gone, timestamp
from shoal.kube.apiserver.paths import Target
from shoal.kube.apiserver.registry import Registry
from shoal.kube.apiserver.store import Selection, Stored, encode

NAMESPACE = ("", "Namespace")
_PROPAGATION_FINALIZERS = {"Foreground": "foregroundDeletion", "Orphan": "orphan"}
_CONTROLLER = "system:serviceaccount:kube-system:namespace-controller"


class DeleteOptions(msgspec.Struct, frozen=True, rename="camel"):
    """The part of `DeleteOptions` that is heeded; pods go at once, so grace periods are not."""

    preconditions: dict[str, str] = {}
    """uid, resourceVersion."""
    propagation_policy: str = ""
    dry_run: list[str] = []


def options_of(body: bytes, query: dict[str, str]) -> DeleteOptions:
    """Options from the body and the query. Raises a 400."""
    sent = expect_object(parse(body, yaml=True, strict=False)[0]) if body.strip() else {}
    try:
        options = msgspec.convert({key: value for key, value in sent.items() if value is not None}, DeleteOptions)
    except msgspec.ValidationError as error:
        raise StatusError(400, "BadRequest", f"DeleteOptions cannot be handled: {error}") from error
    if policy := query.get("propagationPolicy"):
        options = msgspec.structs.replace(options, propagation_policy=policy)
    return options


class Deletes:
    def __init__(self, parts: Parts, registry: Registry) -> None:
        self._parts, self._registry = parts, registry
        self._store = parts.store

    async def delete(self, asked: Asked, options: DeleteOptions) -> tuple[bytes, bool]:
        """(the answer, whether the object is gone): a Status when it is, else the object, marked as deleting."""
        target = asked.target
        for attempt in range(ATTEMPTS_MAX):
            read_at = self._store.revision()
            stored = self._store.get(target.ref)
            try:
                if stored is None:
                    raise not_found(target.resource, target.name)
                return await self._delete(asked, options, stored)
            except RevisionConflict:
                await self._store.settled()
            except StatusError as error:
                if error.code not in (404, 409) or attempt or await self._store.settled() == read_at:
                    raise
        raise conflict(target.resource, target.name)

    async def delete_all(self, asked: Asked, options: DeleteOptions, chosen: Iterable[Stored]) -> list[bytes]:
        """Deletes every object of a collection; those that are gone meanwhile are passed over."""
        out: list[bytes] = []
        for stored in list(chosen):
            ref = stored.ref
            target = asked.target._replace(namespace=ref.namespace, name=ref.name)
            try:
                await self.delete(msgspec.structs.replace(asked, target=target), options)
            except StatusError as error:
                if error.code != 404:
                    raise
            out.append(present(stored, target))
        return out

    async def removed(self, ref: Ref) -> None:
        """Called when an object is gone: a terminating Namespace that waited for its last content goes too. A Namespace that lost its last
        finalizer names itself."""
        namespace = ref.name if (ref.group, ref.kind) == NAMESPACE else ref.namespace
        if namespace and self._parts.options.cascade_namespaces:
            await self._reap(namespace)

    async def _delete(self, asked: Asked, options: DeleteOptions, stored: Stored) -> tuple[bytes, bool]:
        target = asked.target
        old = stored.object()
        self._check_preconditions(options, stored, old, target)
        admitted = await self._parts.admission.admit("DELETE", old, None, context=asked.context())
        last = self._marked(admitted, options, target)
        if asked.dry_run:
            return self._answer(last, target)
        if not is_gone(last) or (self._cascades(target) and target.subresource != "finalize"):
            return await self._mark(asked, stored, old, last)
        gone = await self._store.remove(target.ref, last, expected=stored.token)
        await self.removed(target.ref)
        return self._answer(gone.object(), target)

    async def _mark(self, asked: Asked, stored: Stored, old: Manifest, last: Manifest) -> tuple[bytes, bool]:
        """Writes an object that cannot go yet, marked as deleting; one that is marked already is not written again."""
        target = asked.target
        if not old["metadata"].get("deletionTimestamp") or old["metadata"].get("finalizers") != last["metadata"].get("finalizers"):
            stored = await self._store.write(target.ref, last, expected=stored.token)
        if not self._cascades(target):
            return present(stored, target), False
        await self._delete_content(target.name)
        await self._reap(target.name)
        left = self._store.get(target.ref)
        return (present(left, target), False) if left else self._answer(last, target)

    def _marked(self, admitted: Manifest, options: DeleteOptions, target: Target) -> Manifest:
        """The last state of an object under deletion."""
        metadata: dict[str, Any] = {**admitted["metadata"]}
        finalizer = _PROPAGATION_FINALIZERS.get(options.propagation_policy)
        if finalizer and self._parts.options.deletion_finalizers and finalizer not in (metadata.get("finalizers") or ()):
            metadata["finalizers"] = [*(metadata.get("finalizers") or ()), finalizer]
        if not metadata.get("deletionTimestamp"):
            metadata["deletionTimestamp"] = timestamp(self._parts.now())
            metadata["deletionGracePeriodSeconds"] = 0
            if metadata.get("generation"):
                metadata["generation"] += 1
        out = {**admitted, "metadata": metadata}
        if self._cascades(target):
            out["status"] = {**(admitted.get("status") or {}), "phase": "Terminating"}
        return out

    def _cascades(self, target: Target) -> bool:
        return self._parts.options.cascade_namespaces and (target.resource.group, target.resource.kind) == NAMESPACE

    def _check_preconditions(self, options: DeleteOptions, stored: Stored, old: Manifest, target: Target) -> None:
        uid, version = options.preconditions.get("uid"), options.preconditions.get("resourceVersion")
        actual = old["metadata"].get("uid")
        if uid and uid != actual:
            because = f"the UID in the precondition ({uid}) does not match the UID in record ({actual}). "
            raise conflict(target.resource, target.name, because + "The object might have been deleted and then recreated")
        if version and version != str(stored.revision):
            because = (
                f"the ResourceVersion in the precondition ({version}) does not match the ResourceVersion in record ({stored.revision}). "
            )
            raise conflict(target.resource, target.name, because + "The object might have been modified")

    def _answer(self, last: Manifest, target: Target) -> tuple[bytes, bool]:
        details = {"name": target.name, "group": target.resource.group, "kind": target.resource.plural, "uid": last["metadata"].get("uid")}
        return encode(success({key: value for key, value in details.items() if value})), True

    async def _delete_content(self, namespace: str) -> None:
        for resource in list(self._registry):
            if not resource.namespaced or "delete" not in resource.verbs:
                continue
            for stored in list(self._store.list(Selection(resource.group, resource.kind, namespace))):
                target = Target(resource, resource.versions[0], namespace, stored.ref.name, "")
                asked = Asked(target=target, manager="namespace-controller", user=_CONTROLLER)
                try:
                    await self.delete(asked, DeleteOptions())
                except StatusError as error:
                    if error.code != 404:
                        raise

    async def _reap(self, name: str) -> None:
        """Removes a terminating Namespace that is empty and waits for nobody."""
        ref = Ref(*NAMESPACE, "", name)
        for _ in range(ATTEMPTS_MAX):
            stored = self._store.get(ref)
            if stored is None or b'"deletionTimestamp"' not in stored.body:
                return
            namespace = stored.object()
            if not is_gone(namespace) or self._has_content(name):
                return
            try:
                await self._store.remove(ref, namespace, expected=stored.token)
                return
            except RevisionConflict:
                await self._store.settled()

    def _has_content(self, namespace: str) -> bool:
        return any(
            next(iter(self._store.list(Selection(resource.group, resource.kind, namespace))), None) is not None
            for resource in self._registry
            if resource.namespaced
        )
