"""Why an object is where it is: the recorded decision, the overrides that made each copy, and beside it the reasons of now."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec
import structlog

from shoal.api.binding import Binding, Rejection, TargetCluster
from shoal.api.errors import Retryable, Terminal
from shoal.api.meta import Ref
from shoal.api.override import ALL_CONTAINERS
from shoal.bus.entries import Entry
from shoal.bus.port import Bus
from shoal.bus.requests import ask
from shoal.bus.view import View
from shoal.kube.apiserver.registry import Registry, ResourceType
from shoal.messages.catalogue import BINDING, EXPLAIN_SUBJECT, OBJECT, WORKS
from shoal.messages.planning import Explained, ExplainRequest
from shoal_gateway import bodies
from shoal_gateway.finalize import Finalizer
from shoal_gateway.index import Index
from shoal_gateway.queries import Invalid, Json, NotFound

log = structlog.get_logger()

EXPLAIN_TIMEOUT_S = 1.0
"""The reasons of now are an extra: without the scheduler the recorded decision is told alone."""
_SHOWN_MAX = 10


@dataclass(frozen=True, kw_only=True)
class Explainer:
    view: View
    works: View
    index: Index
    finalizer: Finalizer
    registry: Registry
    bus: Bus

    async def application(self, name: str) -> Json:
        return {"objects": [await self.object(ref) for ref in sorted(self.refs_of(name))]}

    def refs_of(self, application: str) -> tuple[Ref, ...]:
        """Objects of an application. Raises `NotFound`."""
        refs = self.index.objects_of(application)
        if not refs:
            known = ", ".join(list(self.index.applications())[:_SHOWN_MAX]) or "there is none yet"
            raise NotFound(f"no application {application}; known are: {known}")
        return refs

    def named(self, text: str, namespace: str) -> Ref:
        """The object that `KIND/NAME` means; KIND is a kind, a plural or a short name, as kubectl takes them. Raises `NotFound`, `Invalid`."""
        kind, _, name = text.partition("/")
        kind, _, group = kind.partition(".")
        if not kind or not name or "/" in name:
            raise Invalid(f"{text} cannot be read; write KIND/NAME, such as deployment/web")
        meant = [one for one in self.registry if _is_called(one, kind.lower()) and group in ("", one.group)]
        if not meant:
            raise NotFound(f"the hub knows no kind {kind}")
        refs = [Ref(one.group, one.kind, (namespace or "default") if one.namespaced else "", name) for one in meant]
        found = [ref for ref in refs if (entry := self.view.get(OBJECT, ref)) is not None and not entry.deleted]
        if len(found) > 1:
            raise Invalid(f"{text} means {' or '.join(map(str, found))}; write KIND.GROUP/NAME")
        if not found:
            elsewhere = sorted({f"-n {ns}" for one in meant for ns in self._namespaces(one, name)})
            hint = f"; there is one with {', '.join(elsewhere[:_SHOWN_MAX])}" if elsewhere else ""
            raise NotFound(f"{refs[0]} does not exist in the hub{hint}")
        return found[0]

    def _namespaces(self, resource: ResourceType, name: str) -> Iterable[str]:
        found = self.view.entries(OBJECT, group=resource.group, kind=resource.kind)
        return (entry.ref.namespace for entry in found if entry.ref.name == name and entry.ref.namespace and not entry.deleted)

    async def object(self, ref: Ref) -> Json:
        """The recorded decision, and `now` when the scheduler answers."""
        object_, entry = self.view.get(OBJECT, ref), self.view.get(BINDING, ref)
        if object_ is None or object_.deleted:
            raise NotFound(f"{ref} does not exist in the hub")
        out: Json = {"ref": str(ref), "change": object_.change}
        if b'"deletionTimestamp"' in object_.raw and object_.body["metadata"].get("deletionTimestamp"):
            out["deleting"] = self.finalizer.held_by(object_) or "about to be gone"
        now = await self._now(ref)
        if entry is None or entry.deleted or entry.uid != object_.uid:
            summary = (now or {}).get("message") or "no policy places it, and nothing that is placed needs it"
            return out | {"summary": summary, "clusters": [], "removals": [], "rejected": []} | ({"now": now} if now else {})
        out |= self._recorded(entry)
        return out | ({"now": now} if now is not None else {})

    def _recorded(self, entry: Entry[Binding]) -> Json:
        binding = bodies.binding(entry)
        claim, told = binding.claim, binding.explanation
        return {
            "revision": entry.revision,
            "policy": str(claim.policy) if claim is not None else ("required by its owners" if binding.required_by else ""),
            "lostPolicies": told.lost_policies,
            "summary": _summary(binding),
            "clusters": [self._target(entry.ref, target, told.scores) for target in binding.clusters],
            "removals": [
                _filled({"cluster": name, "reason": one.reason, "waitFor": one.wait_for, "since": one.since, "author": one.author})
                for name, one in sorted(binding.removals.items())
            ],
            "rejected": rejections(told.rejected),
            "scores": told.scores,
            "conditions": [msgspec.to_builtins(one) for one in binding.conditions],
            "requiredBy": [{"owner": str(one.owner), "clusters": list(one.clusters)} for one in binding.required_by],
            "rounds": list(told.rounds),
            "decidedAt": told.decided_at,
            "viewPosition": told.view_position,
        } | ({"leftOut": told.left_out} if told.left_out else {})

    def _target(self, ref: Ref, target: TargetCluster, scores: Mapping[str, int]) -> Json:
        member = self.index.member_of(target.name)
        entry = self.works.get(WORKS, ref, member) if member else None
        work = bodies.work(entry) if entry is not None and not entry.deleted else None
        hidden = (ref.group, ref.kind) == ("", "Secret")
        overrides = [
            {"policy": one.policy, **touched}
            for one in (work.overrides if work is not None else ())
            for touched in fields_touched(one.overriders, hidden=hidden)
        ]
        score = scores.get(target.name)
        told: Json = {"cluster": target.name, "replicas": target.replicas, "reason": f"score {score}" if score is not None else ""}
        return _filled(told | {"score": score, "error": work.error if work is not None else "", "overrides": overrides or None})

    async def _now(self, ref: Ref) -> Json | None:
        try:
            told = await ask(self.bus, EXPLAIN_SUBJECT, ExplainRequest(ref=ref), Explained, timeout_s=EXPLAIN_TIMEOUT_S)
        except (Retryable, Terminal) as error:
            log.info("no reasons of now", ref=str(ref), error=str(error))
            return None
        condition = next((one for one in told.conditions if one.type == "Scheduled"), None)
        return _filled(
            {
                "position": told.position,
                "changed": told.changed,
                "reason": told.reason,
                "message": told.message,
                "policy": str(told.policy) if told.policy else "",
                "lostPolicies": told.lost_policies,
                "summary": condition.message if condition is not None else "",
            }
        ) | {
            "clusters": [_filled({"cluster": one.name, "replicas": one.replicas}) for one in told.clusters],
            "rejected": rejections(told.rejected),
            "fitting": [{"cluster": name, "score": told.scores.get(name, 0)} for name in told.fitting],
            "afresh": [_filled({"cluster": one.name, "replicas": one.replicas}) for one in told.afresh],
            "rounds": list(told.rounds),
        }


def fields_touched(overriders: Mapping[str, Any], *, hidden: bool = False) -> list[Json]:
    """Each edit of one rule, in the order of application: {overrider, field, operator, value}. `hidden`: values are not told (Secrets)."""
    edits = [(name, edit) for name in _ORDER for edit in overriders.get(name) or ()]
    told = [{"overrider": name, **one} for name, edit in edits for one in _ORDER[name](edit)]
    return [{key: value for key, value in one.items() if not (hidden and key == "value")} for one in told]


def _image(edit: Mapping[str, Any]) -> list[Json]:
    path = (edit.get("predicate") or {}).get("path")
    part = path or f"image of every container{_reach(edit)}: {str(edit.get('component', '')).lower()}"
    return [_edit(f"{part}, its digest kept" if edit.get("keepDigest") else part, edit)]


def _words(edit: Mapping[str, Any], field: str) -> list[Json]:
    return [_edit(f"containers[{edit.get('containerName', '')}].{field}{_reach(edit)}", edit)]


def _reach(edit: Mapping[str, Any]) -> str:
    """What `scope` adds to the containers that Karmada's rules reach."""
    return " (init and ephemeral ones too, in every pod template)" if edit.get("scope") == ALL_CONTAINERS else ""


def _keys(edit: Mapping[str, Any], field: str) -> list[Json]:
    values, where = edit.get("value") or {}, edit.get("path") or f"metadata.{field}"
    return [{"field": f"{where}[{key}]", "operator": edit.get("operator", ""), "value": values[key]} for key in sorted(values)]


def _field(edit: Mapping[str, Any]) -> list[Json]:
    inner = [*(edit.get("json") or ()), *(edit.get("yaml") or ())]
    encoded = f" ({edit['encoding']})" if edit.get("encoding") else ""
    return [_edit(f"{edit.get('fieldPath', '')}{encoded} > {one.get('subPath', '')}", one) for one in inner]


def _edit(field: str, edit: Mapping[str, Any]) -> Json:
    return {"field": field, "operator": edit.get("operator", ""), "value": edit.get("value")}


_ORDER: dict[str, Any] = {
    "imageOverrider": _image,
    "commandOverrider": lambda edit: _words(edit, "command"),
    "argsOverrider": lambda edit: _words(edit, "args"),
    "envOverrider": lambda edit: _words(edit, "env"),
    "labelsOverrider": lambda edit: _keys(edit, "labels"),
    "annotationsOverrider": lambda edit: _keys(edit, "annotations"),
    "fieldOverrider": _field,
    "plaintext": lambda edit: [_edit(str(edit.get("path", "")), edit)],
}
"""As overriders are applied (R5.5)."""


def rejections(rejected: Mapping[str, Rejection]) -> list[Json]:
    return [{"cluster": name, "reason": one.reason, "detail": one.detail} for name, one in sorted(rejected.items())]


def _summary(binding: Binding) -> str:
    scheduled = next((one for one in binding.conditions if one.type == "Scheduled"), None)
    return scheduled.message if scheduled is not None else ""


def _is_called(resource: ResourceType, word: str) -> bool:
    return word in (resource.kind.lower(), resource.plural, resource.singular, *resource.short_names)


def _filled(fields: Json) -> Json:
    """Without what is not known; False and 0 are known."""
    return {name: value for name, value in fields.items() if value not in (None, "", {})}


def parse_path(parts: Iterable[str]) -> Ref:
    """The ref of `/{group|_}/{kind}/{ns|_}/{name}`. Raises `NotFound`."""
    found = ["" if part == "_" else part for part in parts]
    if len(found) != 4 or not found[1] or not found[3]:
        raise NotFound("write /api/explain/<group or _>/<Kind>/<namespace or _>/<name>")
    return Ref(*found)
