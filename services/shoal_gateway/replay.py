"""A past decision made again: the scheduler replays it, and here the difference is told."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from shoal.api.binding import Binding
from shoal.api.errors import ManifestInvalid, Terminal
from shoal.api.meta import Manifest, Ref, Struct, ref_of
from shoal.api.policy import GROUP as POLICY_GROUP
from shoal.bus.port import Bus
from shoal.bus.requests import ask
from shoal.domain import admission
from shoal.domain.planning import differences
from shoal.messages.catalogue import REPLAY_SUBJECT
from shoal.messages.planning import Replayed, ReplayRequest, Supposed
from shoal_gateway.explain import Explainer, parse_path, rejections
from shoal_gateway.queries import Invalid, Json

REPLAY_TIMEOUT_S = 30.0
PROPAGATION_KINDS = ("PropagationPolicy", "ClusterPropagationPolicy")


class ReplayQuestion(Struct, frozen=True, kw_only=True):
    """Body of `POST /api/replay`: one of `application`, `name` (KIND/NAME, with `namespace`) or `ref` (`group/Kind/namespace/name`)."""

    application: str = ""
    name: str = ""
    namespace: str = ""
    ref: str = ""
    at: int = 0
    """A revision of the hub; the decision in force at it. 0: the last one."""
    policies: list[Manifest] = []
    """Propagation policies that stand in for those of then."""


@dataclass(frozen=True, kw_only=True)
class Replays:
    explainer: Explainer
    bus: Bus

    async def replay(self, question: ReplayQuestion) -> Json:
        """{replays: [...]}, one for each object; of an application those without a decision then are left out."""
        refs = self._refs(question)
        policies = policies_of(question.policies)
        found: list[Json] = []
        for ref in refs:
            request = ReplayRequest(ref=ref, at=question.at, policies=policies)
            try:
                found.append(_told(ref, await ask(self.bus, REPLAY_SUBJECT, request, Replayed, timeout_s=REPLAY_TIMEOUT_S)))
            except Terminal as error:
                if not question.application or error.reason != "NothingRecorded":
                    raise
        return {"replays": found}

    def _refs(self, question: ReplayQuestion) -> Sequence[Ref]:
        if question.application:
            return sorted(self.explainer.refs_of(question.application))
        if question.name:
            return [self.explainer.named(question.name, question.namespace)]
        if question.ref:
            return [parse_path(question.ref.split("/"))]
        raise Invalid("say what to replay: application, name or ref")


def policies_of(manifests: Sequence[Manifest], *, now: str = "") -> tuple[Supposed, ...]:
    """Policies as the hub would store them: whole, not laid over what is there. Raises `Invalid` and `ManifestInvalid`."""
    found: list[Supposed] = []
    for manifest in manifests:
        kind, metadata = manifest.get("kind"), manifest.get("metadata")
        if (
            manifest.get("apiVersion") != f"{POLICY_GROUP}/v1alpha1"
            or kind not in PROPAGATION_KINDS
            or not isinstance(metadata, dict)
            or not metadata.get("name")
        ):
            raise Invalid(f"policies: {kind} is no {' or '.join(PROPAGATION_KINDS)} with a name")
        namespace = (metadata.get("namespace") or "default") if kind == PROPAGATION_KINDS[0] else ""
        named = {**manifest, "metadata": {**metadata, **({"namespace": namespace} if namespace else {})}}
        filled, violations = admission.admit(named, None, now=now)
        if violations:
            raise ManifestInvalid(
                f"policies: {kind} {metadata['name']} would be refused", tuple((one.path, one.message) for one in violations)
            )
        found.append(Supposed(ref=ref_of(filled), body=filled, uid=f"replay-{metadata['name']}"))
    return tuple(found)


def _told(ref: Ref, replayed: Replayed) -> Json:
    """The recorded decision beside the replayed one, and each field of their content that differs."""
    before, after = _content(replayed.recorded), _content(replayed.replayed)
    fields = differences(before, after) if replayed.replayed is not None and not replayed.same else ()
    return {
        "ref": str(ref),
        "revision": replayed.revision,
        "viewPosition": replayed.view_position,
        "decidedAt": replayed.recorded.explanation.decided_at,
        "same": replayed.same,
        "replayed": replayed.replayed is not None,
        "reason": replayed.reason,
        "message": replayed.message,
        "agedOut": list(replayed.aged_out),
        "recordedDecision": _decision(replayed.recorded),
        "replayedDecision": _decision(replayed.replayed) if replayed.replayed is not None else None,
        "differences": [msgspec.to_builtins(one) for one in fields],
    }


def _decision(binding: Binding) -> Json:
    scheduled = next((one for one in binding.conditions if one.type == "Scheduled"), None)
    return {
        "policy": str(binding.claim.policy) if binding.claim else "",
        "clusters": [{"cluster": one.name, "replicas": one.replicas} for one in binding.clusters],
        "removals": [{"cluster": name, "reason": one.reason} for name, one in sorted(binding.removals.items())],
        "summary": scheduled.message if scheduled is not None else "",
        "rejected": rejections(binding.explanation.rejected),
        "lostPolicies": binding.explanation.lost_policies,
        "rounds": list(binding.explanation.rounds),
    }


def _content(binding: Binding | None) -> Manifest | None:
    """A binding as an object whose lists are compared by name; what explains it, and times, are no content."""
    if binding is None:
        return None
    told: Manifest = msgspec.json.decode(msgspec.json.encode(binding))
    told.pop("explanation", None)
    told["conditions"] = [{"name": one.type, "status": one.status, "reason": one.reason} for one in binding.conditions]
    told["removals"] = {name: {"reason": one.reason, "waitFor": one.wait_for} for name, one in binding.removals.items()}
    return told
