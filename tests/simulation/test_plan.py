"""A plan that is then applied unchanged has exactly that result: placements, and the manifest of every cluster.

Random deploys (replicas, images, policies, overrides, dependencies, deletions) over the real services; before each, the hub is asked what it
would do, and when it has come to rest, what it did is compared.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
import structlog

from shoal.api.errors import Terminal
from shoal.api.meta import Manifest, Ref
from shoal.api.shoal import CHANGE_ANNOTATION, EPOCH_ANNOTATION, UID_ANNOTATION
from shoal.bus.view import View
from shoal.kube.wire import Request
from shoal.messages.catalogue import BINDING, OBJECT, WORK, WORKS
from shoal.messages.planning import PlanRequest
from shoal_gateway.plan import Plan
from shoal_gateway.replay import ReplayQuestion
from support.virtual import VirtualLoop
from support.world import World

WEB = Ref("apps", "Deployment", "shop", "web")
PLACES = {"m1": ("alpha", "eu"), "m2": ("alpha", "eu"), "m3": ("beta", "us"), "m4": ("beta", "us")}
BY_ROOM = [
    {"replicaSchedulingType": "Divided", "replicaDivisionPreference": "Aggregated"},
    {
        "replicaSchedulingType": "Divided",
        "replicaDivisionPreference": "Weighted",
        "weightPreference": {"dynamicWeight": "AvailableReplicas"},
    },
]
_UNKNOWN = (CHANGE_ANNOTATION, EPOCH_ANNOTATION, UID_ANNOTATION)
"""Marks that no plan can know: they name the write itself."""


def changes(chance: random.Random) -> tuple[list[Manifest], list[str]]:
    """Some objects as they might be deployed, and some that might be deleted."""
    found: list[Manifest] = [{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}}]
    names = chance.sample(["web", "api", "job"], chance.randint(1, 3))
    found += [_deployment(name, chance) for name in names]
    if chance.random() < 0.7:
        found.append(_policy(chance))
    if chance.random() < 0.6:
        found += [_config(chance), _secret(chance)]
    if chance.random() < 0.4:
        found.append(_override(chance))
    kept = {(one["kind"], one["metadata"]["name"]) for one in found}
    maybe = [("apps/v1", "Deployment", "web"), ("v1", "ConfigMap", "settings"), ("policy.karmada.io/v1alpha1", "OverridePolicy", "tune")]
    gone = [f"{version}/{kind}/shop/{name}" for version, kind, name in maybe if (kind, name) not in kept and chance.random() < 0.2]
    return found, gone


def tight_change(chance: random.Random) -> tuple[list[Manifest], list[str]]:
    """One workload that is divided by room, mostly for nodes with fast disks: of these only the agents can tell how many fit.

    One, since of several that want the same room the first one gets it, and that is whose answers come first.
    """
    name = chance.choice(["web", "api", "job"])
    workload, policy = _deployment(name, chance), _policy(chance)
    pod = workload["spec"]["template"]["spec"]
    pod["containers"][0]["resources"] = {"requests": {"cpu": chance.choice(["1", "3"])}}
    if chance.random() < 0.8:
        pod["nodeSelector"] = {"disk": "ssd"}
    policy["metadata"]["name"] = name
    policy["spec"] |= {"resourceSelectors": [{"apiVersion": "apps/v1", "kind": "Deployment", "name": name}], "priority": 0}
    policy["spec"]["placement"]["replicaScheduling"] = chance.choice(BY_ROOM)
    return [{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}}, policy, workload], []


def shared_changes(chance: random.Random) -> tuple[list[Manifest], list[str]]:
    """Workloads of one group, under one quota: what one is given, the others are not."""
    found, gone = changes(chance)
    for one in found:
        if one["kind"] == "Deployment":
            one["metadata"]["labels"]["group"] = chance.choice(["x", "y"])
        if one["kind"] == "PropagationPolicy":
            group = {"groupByLabelKey": "group"}
            one["spec"]["placement"]["workloadAffinity"] = chance.choice([{"affinity": group}, {"antiAffinity": group}])
    if chance.random() < 0.5:
        metadata, overall = {"name": "q", "namespace": "shop"}, {"pods": str(chance.randint(1, 12))}
        found.append({
            "apiVersion": "policy.karmada.io/v1alpha1", "kind": "FederatedResourceQuota", "metadata": metadata, "spec": {"overall": overall},
        })  # fmt: skip
    return found, gone


def _deployment(name: str, chance: random.Random) -> Manifest:
    container: dict[str, Any] = {"name": name, "image": f"{name}:{chance.randint(1, 3)}"}
    if chance.random() < 0.6:
        container["envFrom"] = [{"configMapRef": {"name": "settings"}}, {"secretRef": {"name": "token"}}]
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": "shop", "labels": {"tier": chance.choice(["front", "back"])}},
        "spec": {
            "replicas": chance.randint(0, 5),
            "selector": {"matchLabels": {"app": name}},
            "template": {"metadata": {"labels": {"app": name}}, "spec": {"containers": [container]}},
        },
    }


def _policy(chance: random.Random) -> Manifest:
    placement: dict[str, Any] = {}
    if chance.random() < 0.5:
        placement["clusterAffinity"] = {"clusterNames": chance.sample(list(PLACES), chance.randint(1, 4))}
    if chance.random() < 0.4:
        placement["spreadConstraints"] = [{"spreadByField": "cluster", "minGroups": 1, "maxGroups": chance.randint(1, 3)}]
    if chance.random() < 0.7:
        placement["replicaScheduling"] = chance.choice(
            [
                {"replicaSchedulingType": "Duplicated"},
                {"replicaSchedulingType": "Divided", "replicaDivisionPreference": "Weighted"},
                {"replicaSchedulingType": "Divided", "replicaDivisionPreference": "Aggregated"},
            ]
        )
    selector: dict[str, Any] = {"apiVersion": "apps/v1", "kind": "Deployment"}
    if chance.random() < 0.3:
        selector["labelSelector"] = {"matchLabels": {"tier": "front"}}
    spec = {
        "resourceSelectors": [selector],
        "propagateDeps": chance.random() < 0.8,
        "placement": placement,
        "priority": chance.randint(0, 2),
    }
    name = chance.choice(["shop", "other"])
    metadata = {"name": name, "namespace": "shop"}
    return {"apiVersion": "policy.karmada.io/v1alpha1", "kind": "PropagationPolicy", "metadata": metadata, "spec": spec}


def _config(chance: random.Random) -> Manifest:
    metadata = {"name": "settings", "namespace": "shop"}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"color": chance.choice(["red", "blue"])}}


def _secret(chance: random.Random) -> Manifest:
    metadata = {"name": "token", "namespace": "shop"}
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": metadata,
        "data": {"token": chance.choice(["c2VjcmV0LW9uZQ==", "c2VjcmV0LXR3bw=="])},
    }


def _override(chance: random.Random) -> Manifest:
    image = {"component": "Registry", "operator": "replace", "value": chance.choice(["mirror.eu", "mirror.us"])}
    rule = {"targetCluster": {"clusterNames": chance.sample(list(PLACES), 2)}, "overriders": {"imageOverrider": [image]}}
    spec = {"resourceSelectors": [{"apiVersion": "apps/v1", "kind": "Deployment"}], "overrideRules": [rule]}
    if chance.random() < 0.2:
        rule["overriders"] = {"plaintext": [{"path": "/spec/nothing/here", "operator": "replace", "value": 1}]}
    metadata = {"name": "tune", "namespace": "shop"}
    return {"apiVersion": "policy.karmada.io/v1alpha1", "kind": "OverridePolicy", "metadata": metadata, "spec": spec}


async def with_some_fast_disks(world: World) -> None:
    """One node of two in m1 and m3 has what `tight_change` ask for."""
    for name in ("m1", "m3"):
        patch = Request(
            method="PATCH",
            path=f"/api/v1/nodes/{name}-node-0",
            headers={"content-type": "application/merge-patch+json"},
            body=b'{"metadata":{"labels":{"disk":"ssd"}}}',
        )
        answer = await world.members[name].handle(patch)
        assert answer.status == 200, answer.body


class Result:
    """Where everything is and what every cluster was told, at rest."""

    def __init__(self, world: World, works: View) -> None:
        self.targets: dict[Ref, dict[str, int | None]] = {
            entry.ref: {one.name: one.replicas for one in entry.body.clusters} for entry in world.view.entries(BINDING) if not entry.deleted
        }
        self.leaving = {entry.ref: set(entry.body.removals) for entry in world.view.entries(BINDING)}
        self.waiting = {entry.ref for entry in world.view.entries(BINDING) if any(one.status != "True" for one in entry.body.conditions)}
        self.manifests: dict[tuple[Ref, str], tuple[Manifest, str]] = {
            (entry.ref, entry.body.cluster): (unmarked(entry.body.manifest), entry.body.error)
            for entry in works.entries(WORKS)
            if not entry.deleted
        }


def unmarked(manifest: Manifest) -> Manifest:
    """Without the marks that name the write."""
    copy: Manifest = msgspec.json.decode(msgspec.json.encode(manifest))
    for name in _UNKNOWN:
        (copy.get("metadata", {}).get("annotations") or {}).pop(name, None)
    return copy


def foretold(before: Result, plan: Plan) -> tuple[dict[Ref, dict[str, int | None]], dict[tuple[Ref, str], tuple[Manifest, str]]]:
    """What there should be after the plan."""
    targets, manifests = dict(before.targets), dict(before.manifests)
    for ref, one in plan.bindings.items():
        targets.pop(ref, None)
        if one.after is not None and not one.tombstone:
            targets[ref] = {target.name: target.replicas for target in one.after.clusters}
    for ref, planned in plan.works.items():
        for item in planned:
            manifests.pop((ref, item.cluster), None)
            if item.after is not None:
                manifests[ref, item.cluster] = (unmarked(item.after.manifest), item.after.error)
    return targets, manifests


async def at_rest(world: World) -> None:
    """Until nothing is written for a while."""
    for _ in range(60):
        before = world.positions()
        await world.clock.sleep(15)
        if world.positions() == before:
            return
    raise AssertionError("something is still being written")


Changes = Callable[[random.Random], tuple[list[Manifest], list[str]]]


async def scenario(seed: int, some: Changes, *, shared: bool = False) -> int:
    """How many plans rested on what agents said. `shared`: who comes first gets it, and members have a say in that; so plans are not compared."""
    asked = 0
    chance = random.Random(seed)
    async with World(seed, PLACES, quotas=shared) as world:
        await world.until(world.clusters_ready, limit_s=60, what="clusters ready")
        await with_some_fast_disks(world)
        works = View(world.bus.client("works"), WORK, (WORKS,), name="works", clock=world.clock)
        await works.start()
        for number in range(6):
            await at_rest(world)
            manifests, gone = some(chance)
            assert world.gateway is not None
            before = Result(world, works)
            revisions = world.positions()
            request = PlanRequest(manifests=manifests, delete=tuple(gone), application="shop", id=f"d{number}", source="ci")
            plan = await world.gateway.plans.plan(request)
            await world.clock.sleep(1)
            assert world.positions() == revisions, "a plan wrote something"
            assert "c2VjcmV0" not in msgspec.json.encode(plan.answer).decode(), "a plan told what a Secret holds"
            assert plan.answer.refused == ()
            asked += bool(plan.answer.estimates)
            loose = await world.gateway.plans.plan(msgspec.structs.replace(request, id=""))
            data = {"application": "shop", "manifests": manifests, "delete": gone}
            await world.deploy({"id": f"d{number}", "source": "ci", "data": data})
            await at_rest(world)
            after = Result(world, works)
            if not shared:
                _compare(world, before, plan, after)
                _compare_loosely(loose, after)
            await _replays(world)
        await works.stop()
    return asked


def _compare(world: World, before: Result, plan: Plan, after: Result) -> None:
    targets, manifests = foretold(before, plan)
    # Who waits for room gets what members free some time after the deploy, which no plan knows.
    late = {ref for ref in before.waiting if ref not in plan.bindings}
    for ref in sorted((targets.keys() | after.targets.keys()) - late):
        # A binding without targets says no more than none: which of them is left depends on who was decided first.
        assert (targets.get(ref) or {}) == (after.targets.get(ref) or {}), ref
    for ref, name in sorted(manifests.keys() | after.manifests.keys()):
        if ref in late:
            continue
        expected, found = manifests.get((ref, name)), after.manifests.get((ref, name))
        if expected is not None and found is None and name in before.leaving.get(ref, ()):
            continue  # It was on its way out before, and what it waited for has happened now.
        if expected is None and found is not None:
            entry = world.view.get(BINDING, ref)
            assert entry is not None
            assert name in entry.body.removals, (ref, name)  # On its way out, as told: it waits for what the removal names.
            continue
        assert expected == found, (ref, name)


def _compare_loosely(plan: Plan, after: Result) -> None:
    """Without the id of the deploy, a single new workload is told in both ways that a tie may go."""
    open_ = [one for one in plan.answer.placements if one.alternative and "Deployment" in one.ref]
    if len(open_) == 1:
        (found,) = (targets for ref, targets in after.targets.items() if str(ref) == open_[0].ref)
        assert found in (open_[0].after, open_[0].alternative)


async def _replays(world: World) -> None:
    """Every decision that stands, made again from the state of its time, is the same."""
    assert world.gateway is not None
    for entry in list(world.view.entries(BINDING)):
        object_ = world.view.get(OBJECT, entry.ref)
        if entry.deleted or object_ is None or object_.deleted:
            continue
        ref = "/".join(part or "_" for part in entry.ref)
        (told,) = (await world.gateway.replays.replay(ReplayQuestion(ref=ref)))["replays"]
        assert told["agedOut"] == []
        assert told["same"], (ref, told["differences"])


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A tenth of the seeds: one is six deploys, twelve plans and as many replays."""
    if "story" in metafunc.fixturenames:
        only, count = metafunc.config.getoption("--seed"), metafunc.config.getoption("--seeds")
        metafunc.parametrize("story", [only] if only is not None else range(max(1, count // 10)))


@pytest.mark.spec("R4.4")
def test_a_plan_applied_unchanged_has_exactly_that_result(story: int) -> None:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        runner.run(asyncio.wait_for(scenario(story, changes), 36000))


@pytest.mark.spec("Q02", "R4.15")
def test_a_plan_asks_the_agents_as_the_decision_does(story: int) -> None:
    """Nothing runs differently between plan and deploy, so the agents say the same twice."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        assert runner.run(asyncio.wait_for(scenario(story, tight_change), 36000))


@pytest.mark.spec("R02", "R15.2", "C14", "C15")
def test_a_replay_knows_of_what_others_were_given_at_the_same_moment(story: int) -> None:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        runner.run(asyncio.wait_for(scenario(story, shared_changes, shared=True), 36000))


async def _ages() -> None:
    """Decisions of long ago, when the history is gone and STATE has only its last revisions."""
    async with World(1, PLACES) as world:
        await world.until(world.clusters_ready, limit_s=60, what="clusters ready")
        chance = random.Random(1)
        namespace, policy = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}}, _policy(chance)
        revisions: list[int] = []
        for number in range(14):
            web = _deployment("web", chance) | {"metadata": {"name": "web", "namespace": "shop"}}
            web["spec"]["replicas"] = number + 1
            data = {"application": "shop", "manifests": [namespace, policy, web]}
            await world.deploy({"id": f"d{number}", "source": "ci", "data": data})
            await at_rest(world)
            entry = world.view.get(BINDING, WEB)
            assert entry is not None
            revisions.append(entry.revision)
        assert world.gateway is not None
        replays = world.gateway.replays
        (told,) = (await replays.replay(ReplayQuestion(ref="apps/Deployment/shop/web", at=revisions[0])))["replays"]
        assert told["same"], "the history has it all"
        world.bus.forget("HISTORY", below=10_000)
        with pytest.raises(Terminal, match="the hub remembers since"):
            await replays.replay(ReplayQuestion(ref="apps/Deployment/shop/web", at=revisions[0]))
        (told,) = (await replays.replay(ReplayQuestion(ref="apps/Deployment/shop/web", at=revisions[-1])))["replays"]
        assert told["same"], "the last one needs only what is there"
        policy["spec"]["priority"] = 7
        for number in range(14, 26):
            policy["spec"]["priority"] = number
            await world.deploy({"id": f"d{number}", "source": "ci", "data": {"application": "shop", "manifests": [policy]}})
            await at_rest(world)
        world.bus.forget("HISTORY", below=10_000)
        (told,) = (await replays.replay(ReplayQuestion(ref="apps/Deployment/shop/web", at=revisions[-1])))["replays"]
        assert f"policy policy.karmada.io/PropagationPolicy/shop/{policy['metadata']['name']}" in told["agedOut"]
        assert not told["same"]


def test_a_replay_says_what_has_aged_out() -> None:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        runner.run(asyncio.wait_for(_ages(), 36000))
