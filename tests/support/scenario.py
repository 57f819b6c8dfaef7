"""Runs a scenario file: a story about one Deployment `shop/web`, told line by line, decided with `decide`, each `=>` line checked.

    cluster m1 region=hz provider=ali pods=6      makes or changes a cluster (state=Lost, labels=env:prod, taint=key:NoExecute, deleting=yes)
    policy p divided=Aggregated failover=yes      makes or changes a policy (to=m1,m2 labels=env:prod groups=g1:m1,g2:m2 ns=- priority=5
                                                  preemption=Always named=yes lazy=yes select=app:web spread=cluster:1:2 tolerate=fail:120)
    policy p deleted                              deletes it
                                                  (also follow=all rate=2/10m windows=Sat_02:00-04:00 return-after=10m: the annotations
                                                  `policy.shoal.dev/...`, with _ for a space)
    template replicas=3 labels=app:web            makes or changes the template
    gone m1                                       the member reports that its copy is gone
    later 60                                      time passes, in seconds
    wait                                          time passes until the decision wants to be made again
    unhealthy                                     copies are not healthy from here on; `healthy` ends it
    rebalance                                     somebody asks to start from zero
    => m2=3 | leaving m1 (ClusterLost) | owner p  what the binding says then; `=> nothing` for none; a word alone is the reason of Scheduled

Every line that changes something is one position of the stream; after each the template is decided until nothing changes.
"""

from __future__ import annotations

import math
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec

from shoal.api.binding import Binding
from shoal.api.cluster_view import ClusterView
from shoal.api.policy import ClusterFailover, Failover, Placement, PropagationPolicy
from shoal.api.status import CopyStatus
from shoal.domain.deciding import Inputs, decide
from shoal.domain.matching import Policies
from shoal.domain.scheduling import Snapshot
from support import build

_DIVISIONS = {
    "Duplicated": build.DUPLICATED,
    "Aggregated": build.AGGREGATED,
    "Dynamic": build.DYNAMIC,
    "Equal": build.EQUAL,
}

_OPTIONS = ("follow", "rate", "windows", "return-after", "prefer")


def run(path: Path) -> None:
    """Raises AssertionError with the file and line where the story and the decision differ."""
    story = Story()
    for number, line in enumerate(path.read_text().splitlines(), start=1):
        text = line.split("#")[0].strip()
        if not text:
            continue
        if text.startswith("=>"):
            said, expected = story.picture(), _normal(text.removeprefix("=>"))
            missing = [part for part in expected if part not in said]
            assert not missing, f"{path.name}:{number}: expected {' | '.join(expected)}, decided {' | '.join(said)}"
        else:
            story.tell(*text.split())


def _normal(text: str) -> list[str]:
    return [" ".join(part.split()) for part in text.split("|")]


class Story:
    def __init__(self) -> None:
        self.clusters: dict[str, ClusterView] = {}
        self.policies: dict[str, tuple[PropagationPolicy, int]] = {}
        self.template: tuple[dict[str, Any], int] | None = None
        self.binding: Binding | None = None
        self.gone: dict[str, int] = {}
        self.position = 0
        self.now = build.NOW
        self.reschedule_at = ""
        self.health = "Healthy"
        self.again_s: float | None = None

    def tell(self, what: str, *words: str) -> None:
        self.position += 10
        facts = dict(word.split("=", 1) for word in words if "=" in word)
        getattr(self, f"_{what}")(*(word for word in words if "=" not in word), **facts)
        self._settle()

    def _cluster(self, name: str, **facts: str) -> None:
        before = self.clusters.get(name) or build.cluster(name, created=self.now.strftime("%Y-%m-%dT%H:%M:%SZ"))
        changes: dict[str, Any] = {key: facts[key] for key in ("region", "provider", "state") if key in facts}
        if "labels" in facts:
            changes["labels"] = dict(item.split(":") for item in facts["labels"].split(",") if item)
        if "taint" in facts:
            added = self.now.strftime("%Y-%m-%dT%H:%M:%SZ")
            key, _, effect = facts["taint"].partition(":")
            changes["taints"] = (build.taint(key, effect, added=added),) if key else ()
        if "pods" in facts:
            changes["free"] = {"pods": int(facts["pods"]) * 1000}
        if "apis" in facts:
            changes["apis"] = build.APIS if facts["apis"] == "yes" else frozenset()
        changes |= {flag: facts[flag] == "yes" for flag in ("deleting", "forgotten") if flag in facts}
        self.clusters[name] = msgspec.structs.replace(before, **changes)

    def _policy(self, name: str, *words: str, **facts: str) -> None:
        if "deleted" in words:
            del self.policies[name]
            return
        labels = dict([facts["select"].split(":")]) if "select" in facts else None
        selector = build.selector(name="web" if facts.get("named") == "yes" else "", labels=labels)
        policy = build.policy(
            name,
            selector,
            ns="" if facts.get("ns") == "-" else "shop",
            to=_placement(facts),
            priority=int(facts.get("priority", 0)),
            preemption=facts.get("preemption", "Never"),
            activation_preference="Lazy" if facts.get("lazy") == "yes" else "",
            failover=Failover(cluster=ClusterFailover()) if facts.get("failover") == "yes" else None,
        )
        policy = build.annotated(policy, **{key: facts[key].replace("_", " ") for key in _OPTIONS if key in facts})
        self.policies[name] = (policy, self.position)

    def _template(self, **facts: str) -> None:
        labels = dict(item.split(":") for item in facts["labels"].split(",")) if "labels" in facts else None
        self.template = (build.deployment("web", replicas=int(facts.get("replicas", 1)), labels=labels), self.position)

    def _gone(self, name: str) -> None:
        assert self.binding is not None
        self.gone[name] = self.binding.removals[name].epoch

    def _later(self, seconds: str) -> None:
        self.now += timedelta(seconds=int(seconds))

    def _wait(self) -> None:
        assert self.again_s is not None, "nobody waits for anything"
        self.now += timedelta(seconds=math.ceil(self.again_s))

    def _unhealthy(self) -> None:
        self.health = "Unhealthy"

    def _healthy(self) -> None:
        self.health = "Healthy"

    def _rebalance(self) -> None:
        self.reschedule_at = self.now.strftime("%Y-%m-%dT%H:%M:%SZ")

    def _settle(self) -> None:
        """Decides until nothing changes; a story that never comes to rest is wrong."""
        if self.template is None:
            return
        for _ in range(5):
            self.position += 1
            outcome = decide(self._inputs())
            self.binding, self.again_s = outcome.binding, outcome.requeue_after_s
            if not outcome.changed:
                return
        raise AssertionError("the decision does not come to rest")

    def _inputs(self) -> Inputs:
        assert self.template is not None
        template, revision = self.template
        return build.inputs(
            template,
            revision=revision,
            clusters=(),
            position=self.position,
            now=self.now,
            policies=Policies(build.owned(policy, revision=at) for policy, at in self.policies.values()),
            previous=self.binding,
            status=build.status(*self._copies(), gone=self.gone),
            reschedule_at=self.reschedule_at,
            snapshot=Snapshot(self.clusters.values()),
        )

    def _copies(self) -> list[CopyStatus]:
        targets = self.binding.clusters if self.binding else ()
        return [build.copy(target.name, health=self.health, epoch=target.epoch) for target in targets]

    def picture(self) -> list[str]:
        """The binding as the story tells it."""
        if self.binding is None:
            return ["nothing"]
        targets = " ".join(f"{target.name}={target.replicas}" for target in self.binding.clusters) or "nowhere"
        leaving = [f"leaving {name} ({removal.reason})" for name, removal in self.binding.removals.items()] or ["nobody leaves"]
        owner = self.binding.claim.policy.name if self.binding.claim else "nobody"
        reasons = [item.reason for item in self.binding.conditions]
        return [targets, *leaving, f"owner {owner}", *reasons, f"group {self.binding.affinity_name}"]


def _placement(facts: dict[str, str]) -> Placement:
    groups = tuple(build.group(*item.split(":")) for item in facts["groups"].split(",")) if "groups" in facts else ()
    field, least, most = facts["spread"].split(":") if "spread" in facts else ("", "0", "0")
    key, _, seconds = facts.get("tolerate", "").partition(":")
    return build.placement(
        *(facts["to"].split(",") if "to" in facts else ()),
        labels=dict([facts["labels"].split(":")]) if "labels" in facts else None,
        groups=groups,
        division=_DIVISIONS[facts.get("divided", "Duplicated")],
        spread=(build.spread(field, int(least), int(most)),) if field else (),
        tolerations=(build.tolerate(key, seconds=int(seconds) if seconds else None),) if key else (),
    )
