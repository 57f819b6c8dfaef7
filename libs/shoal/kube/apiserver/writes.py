"""Create, replace, patch, apply: read, decide, admit, validate, write; decided again when somebody else wrote in between.

Deleting is in `deletes.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import msgspec

from shoal.api.errors import RevisionConflict
from shoal.api.meta import Manifest, Ref
from shoal.kube.apiserver import crd
from shoal.kube.apiserver.addresses import Addresses
from shoal.kube.apiserver.asked import ATTEMPTS_MAX, Asked, Parts, Written, fresh, is_custom, present
from shoal.kube.apiserver.decoding import (
    check_kind,
    conform,
    expect_object,
    parse,
    parse_patch,
    refuse,
    refuse_apply,
    refuse_patched,
)
from shoal.kube.apiserver.defaulting import complete, drop_empty, fill, fill_from_schema, initial_status
from shoal.kube.apiserver.errors import (
    Cause,
    StatusError,
    already_exists,
    bad_request,
    conflict,
    invalid,
    namespace_not_found,
    namespace_terminating,
    not_found,
    unsupported_media_type,
)
from shoal.kube.apiserver.fields import Writer, apply, track
from shoal.kube.apiserver.lifecycle import (
    born,
    carry_over,
    check_deleting,
    check_size,
    count_generation,
    identify,
    is_gone,
    same,
    timestamp,
    with_only_status_of,
    with_status_of,
)
from shoal.kube.apiserver.patch import APPLY_PATCH, JSON_PATCH, MERGE_PATCH, STRATEGIC_PATCH, patched
from shoal.kube.apiserver.paths import Target
from shoal.kube.apiserver.protobuf import CONTENT_TYPE
from shoal.kube.apiserver.rules import kind_causes
from shoal.kube.apiserver.scale import scale_of, scaled
from shoal.kube.apiserver.store import Stored, decode, encode
from shoal.kube.apiserver.validation import custom_causes, metadata_causes, schema_causes

BODY_TYPES = ("", CONTENT_TYPE, "application/json", "application/yaml", "text/yaml", "application/x-yaml", "*/*")


class _Decided(NamedTuple):
    new: Manifest
    warnings: list[str]
    tracked: bool = False
    """The field managers are noted already (apply)."""


_Decide = Callable[[Manifest | None, Stored | None], _Decided]


class Writes:
    def __init__(self, parts: Parts, removed: Callable[[Ref], Any]) -> None:
        """`removed` is awaited after an update took an object away (its last finalizer was dropped)."""
        self._parts, self._removed = parts, removed
        self._store = parts.store
        self._addresses = Addresses(parts.store)

    async def create(self, asked: Asked, body: bytes) -> Written:
        uid = self._parts.uid()
        sent, warnings = self._sent(asked, body, uid=uid)
        target = asked.target._replace(name=sent["metadata"].get("name", ""))
        asked = msgspec.structs.replace(asked, target=target)
        self._check_namespace(target)
        encoded = encode(sent)

        def decide(old: Manifest | None, stored: Stored | None) -> _Decided:
            if old is not None:
                raise already_exists(target.resource, target.name)
            new: Manifest = decode(encoded)
            self._bear(new, asked, uid)
            return _Decided(new, warnings)

        return await self._run(asked, decide)

    async def replace(self, asked: Asked, body: bytes) -> Written:
        sub = asked.target.subresource

        def decide(old: Manifest | None, stored: Stored | None) -> _Decided:
            if sub == "scale":
                sent, warnings = parse(body, yaml=True, strict=False)
            else:
                sent, warnings = self._sent(asked, body)
            if old is None or stored is None:
                raise not_found(asked.target.resource, asked.target.name)
            if sub == "scale":
                version = (sent.get("metadata") or {}).get("resourceVersion") if isinstance(sent, dict) else None
                self._check_version(asked.target, stored, version)
                return _Decided(self._scaled(old, sent, asked.target), [])
            version = sent["metadata"].get("resourceVersion")
            if not version and asked.target.resource.fill_defaults:
                cause = Cause("metadata.resourceVersion", "FieldValueInvalid", "Invalid value: 0: must be specified for an update")
                raise invalid(asked.target.resource, asked.target.name, [cause])
            self._check_version(asked.target, stored, version)
            return _Decided(self._over(sent, old, asked), warnings)

        return await self._run(asked, decide)

    async def patch(self, asked: Asked, body: bytes, media: str) -> Written:
        if media == APPLY_PATCH:
            return await self._apply(asked, body)
        if media not in (JSON_PATCH, MERGE_PATCH, STRATEGIC_PATCH) or (media == STRATEGIC_PATCH and is_custom(asked.target)):
            raise unsupported_media_type(", ".join((JSON_PATCH, MERGE_PATCH, STRATEGIC_PATCH, APPLY_PATCH)))
        patch, duplicates = parse_patch(body, strict=asked.validation in ("Strict", "Warn"))
        target = asked.target

        def decide(old: Manifest | None, stored: Stored | None) -> _Decided:
            if old is None or stored is None:
                raise not_found(target.resource, target.name)
            base = (
                scale_of(old, target.resource.scale) if target.subresource == "scale" and target.resource.scale else fresh(stored, target)
            )
            result = patched(base, patch, media, target.resource.node(target.version))
            if target.subresource == "scale":
                return _Decided(self._scaled(old, result, target), [])
            new, warnings = self._fitting(result, asked, duplicates)
            self._check_version(target, stored, new["metadata"].get("resourceVersion"))
            return _Decided(self._over(new, old, asked), warnings)

        return await self._run(asked, decide)

    async def _apply(self, asked: Asked, body: bytes) -> Written:
        target, sub = asked.target, asked.target.subresource
        if sub == "scale":
            raise unsupported_media_type(", ".join((JSON_PATCH, MERGE_PATCH)))
        uid = self._parts.uid()
        sent, warnings = self._sent(asked, body, applied=True)
        metadata = sent["metadata"]
        if "managedFields" in metadata:
            raise bad_request("metadata.managedFields must be nil")
        if target.resource.status and not sub:
            sent.pop("status", None)
        elif sub == "status":
            sent = {key: sent[key] for key in ("apiVersion", "kind", "status") if key in sent} | {"metadata": {"name": target.name}}
        version, uid_wanted = metadata.pop("resourceVersion", None), metadata.pop("uid", None)
        node, writer = target.resource.node(target.version), Writer(asked.manager, sub)

        def decide(old: Manifest | None, stored: Stored | None) -> _Decided:
            if old is None and sub:
                raise not_found(target.resource, target.name)
            if old is None:
                self._check_namespace(target)
                if uid_wanted:
                    because = f"uid mismatch: the provided object specified uid {uid_wanted}, and no existing object was found"
                    raise conflict(target.resource, target.name, because)
            else:
                self._check_version(target, stored, version)
                if uid_wanted and uid_wanted != old["metadata"].get("uid"):
                    cause = Cause("metadata.uid", "FieldValueInvalid", f'Invalid value: "{uid_wanted}": field is immutable')
                    raise invalid(target.resource, target.name, [cause])
            new = apply(old, sent, node, writer, force=asked.force, now=timestamp(self._parts.now()))
            if new is old:
                return _Decided(new, warnings, tracked=True)
            new = decode(encode(new))  # Its parts are shared with what was read and sent; from here on it is filled in place.
            if old is None:
                managed = new["metadata"].pop("managedFields", None)
                self._bear(new, asked, uid)
                new["metadata"] |= {"managedFields": managed} if managed else {}
            else:
                carry_over(new, old)
            return _Decided(new, warnings, tracked=True)

        return await self._run(asked, decide)

    async def _run(self, asked: Asked, decide: _Decide) -> Written:
        """Decides on what is stored, and again when that was not the last state."""
        target = asked.target
        for attempt in range(ATTEMPTS_MAX):
            read_at = self._store.revision()
            stored = self._store.get(target.ref)
            try:
                old = fresh(stored, target) if stored else None
                return await self._commit(asked, stored, old, decide(old, stored))
            except RevisionConflict:
                await self._store.settled()
            except StatusError as error:
                # Reads may be a little behind what others wrote: a refusal because of them must stand on the settled state.
                if error.code not in (404, 409) or attempt or await self._store.settled() == read_at:
                    raise
        raise conflict(target.resource, target.name)

    async def _commit(self, asked: Asked, stored: Stored | None, old: Manifest | None, decided: _Decided) -> Written:
        target, parts = asked.target, self._parts
        new, warnings = decided.new, (*decided.warnings, *filter(None, [target.resource.warning]))
        if stored is not None and new is old:
            return Written(present(stored, target), warnings=warnings)
        self._fill(new, target)
        if not decided.tracked:
            writer = Writer(asked.manager, target.subresource)
            new = track(old, new, target.resource.node(target.version), writer, now=timestamp(parts.now()))
        self._complete(new, old, target)  # After the tracking: what the server adds by itself, nobody owns.
        new = await parts.admission.admit("CREATE" if old is None else "UPDATE", old, new, context=asked.context())
        if old is not None:
            count_generation(new, old, target.resource)
            check_deleting(new, old, target.resource)
        if crd.is_definition(target.resource):
            new = crd.established(new, old, now=timestamp(parts.now()))
        self._validate(new, old, target)
        if stored is not None and old is not None and same(new, old):
            return Written(present(stored, target), warnings=warnings)
        check_size(new, parts.options.object_bytes_max)
        new["metadata"].pop("resourceVersion", None)
        if asked.dry_run:
            if stored is not None:
                new["metadata"]["resourceVersion"] = str(stored.revision)
            return Written(encode(new), created=old is None, warnings=warnings)
        expected = stored.token if stored else 0
        if old is not None and is_gone(new) and not self._waits_for_content(target):
            last = await self._store.remove(target.ref, new, expected=expected)
            await self._removed(target.ref)
            return Written(last.body, warnings=warnings)
        written = await self._store.write(target.ref, new, expected=expected)
        if target.resource.kind == "Namespace" and is_gone(new):
            await self._removed(target.ref)
        return Written(written.body, created=old is None, warnings=warnings)

    def _sent(self, asked: Asked, body: bytes, *, uid: str = "", applied: bool = False) -> tuple[Manifest, list[str]]:
        """The object of a request: read, made to fit its schema and its path, and rid of what its sender does not own."""
        target, kind = asked.target, asked.target.resource.kind
        value, duplicates = parse(body, yaml=True, strict=asked.validation in ("Strict", "Warn"), kind=kind)
        sent = expect_object(value, kind)
        if applied:
            check_kind(sent)
        findings = conform(sent, target.resource.node(target.version), kind, check_types=not is_custom(target))
        if applied:
            refuse_apply(findings, duplicates, sent, kind)
            warnings: list[str] = []
        else:
            warnings = refuse(findings, duplicates, kind, target.version, asked.validation or "Warn")
        identify(sent, target, uid=uid)
        return self._parts.admission.receive(sent, context=asked.context()), warnings

    def _fitting(self, patched: Any, asked: Asked, duplicates: list[str]) -> tuple[Manifest, list[str]]:
        """What a patch made, fit to its schema and its path."""
        target, kind = asked.target, asked.target.resource.kind
        object_ = expect_object(patched, kind)
        findings = conform(object_, target.resource.node(target.version), kind, check_types=not is_custom(target))
        warnings = refuse_patched(findings, duplicates, asked.validation or "Warn")
        identify(object_, target, uid="")
        return object_, warnings

    def _bear(self, new: Manifest, asked: Asked, uid: str) -> None:
        """Makes a sent object a new one, in place."""
        born(new, asked.target.resource, uid=uid, now=timestamp(self._parts.now()))

    def _over(self, sent: Manifest, old: Manifest, asked: Asked) -> Manifest:
        """The sent object in the old one's place, as far as this door lets it."""
        sub, resource = asked.target.subresource, asked.target.resource
        self._check_uid(sent, old, asked.target)
        if sub == "status":
            return with_only_status_of(old, sent)
        if sub == "finalize":
            return {**old, "spec": {**(old.get("spec") or {}), "finalizers": (sent.get("spec") or {}).get("finalizers") or []}}
        new = with_status_of(sent, old) if resource.status else sent
        carry_over(new, old)
        return new

    def _scaled(self, old: Manifest, sent: Any, target: Target) -> Manifest:
        assert target.resource.scale is not None
        new: Manifest = decode(encode(scaled(old, target.resource.scale, sent, target)))
        return new

    def _fill(self, new: Manifest, target: Target) -> None:
        """Writes defaults into a new state, in place."""
        resource, options = target.resource, self._parts.options
        if target.subresource in ("status", "finalize"):
            return
        fill(new, group=resource.group, kind=resource.kind, full=options.full_defaults)
        if not is_custom(target):
            drop_empty(new, resource.node(target.version))
        if resource.fill_defaults:
            fill_from_schema(new, resource.node(target.version))

    def _complete(self, new: Manifest, old: Manifest | None, target: Target) -> None:
        """Writes what the server decides itself into a new state, in place: a first status, addresses, the selector of a job."""
        options, key = self._parts.options, (target.resource.group, target.resource.kind)
        if old is None and "status" not in new:
            status = initial_status(new, group=key[0], kind=key[1])
            if status is not None:
                new["status"] = status
        if old is None and options.full_defaults:
            complete(new, group=key[0], kind=key[1])
        if options.service_cidr and key == ("", "Service") and not target.subresource:
            self._addresses.assign(new, old, options.service_cidr)

    def _validate(self, new: Manifest, old: Manifest | None, target: Target) -> None:
        """Raises a 422 with everything that is wrong. What stood there before is not judged again."""
        resource = target.resource
        causes = metadata_causes(new, resource) if old is None or new["metadata"] != old["metadata"] else []
        if is_custom(target):
            causes += custom_causes(new, resource, target.version)
        elif not target.subresource and (old is None or _content(new) != _content(old)):
            causes += schema_causes(new, resource.node(target.version))
            known = {cause.field for cause in causes}
            causes += [one for one in kind_causes(new, old, group=resource.group, kind=resource.kind) if one.field not in known]
            if crd.is_definition(resource):
                causes += crd.causes(new)
        if causes:
            raise invalid(resource, new["metadata"].get("name", ""), causes)

    def _check_namespace(self, target: Target) -> None:
        """Raises when an object cannot be created because of its namespace."""
        if not self._parts.options.namespace_must_exist or not target.resource.namespaced:
            return
        namespace = self._store.get(Ref("", "Namespace", "", target.namespace))
        if namespace is None:
            raise namespace_not_found(target.namespace)
        if self._parts.options.cascade_namespaces and b'"deletionTimestamp"' in namespace.body:
            raise namespace_terminating(target.resource, target.name, target.namespace)

    def _waits_for_content(self, target: Target) -> bool:
        return self._parts.options.cascade_namespaces and target.resource.kind == "Namespace" and target.subresource != "finalize"

    def _check_version(self, target: Target, stored: Stored | None, version: Any) -> None:
        """Raises a 409 when the sender saw another state than the last one."""
        if not version or stored is None or version == str(stored.revision):
            return
        if not isinstance(version, str) or not version.isdecimal():
            message = f'Invalid value: "{version}": must be a decimal integer'
            raise invalid(target.resource, target.name, [Cause("metadata.resourceVersion", "FieldValueInvalid", message)])
        if self._store.conflicts(stored, int(version)):
            raise conflict(target.resource, target.name)

    def _check_uid(self, sent: Manifest, old: Manifest, target: Target) -> None:
        uid = sent["metadata"].get("uid")
        if uid and uid != old["metadata"].get("uid"):
            because = f"Precondition failed: UID in precondition: {uid}, UID in object meta: {old['metadata'].get('uid')}"
            raise conflict(target.resource, target.name, because)


def _content(object_: Manifest) -> Manifest:
    return {key: value for key, value in object_.items() if key not in ("metadata", "status")}
