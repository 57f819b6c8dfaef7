"""The client against a member's API server: the embedded one and, where its binaries are there, a real kube-apiserver.

Both must answer alike; what the agent relies on stands here.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from shoal.api.cluster import Grade
from shoal.api.errors import Conflict, DependencyMissing, ManifestRejected, RevisionConflict
from shoal.api.meta import Manifest, Ref
from shoal.kube.client.api import Api, Kind
from shoal.kube.client.lease import AgentLease
from shoal.kube.client.member import Member
from shoal.kube.client.reflector import Reflector, Seen
from shoal.kube.client.transport import connect
from shoal.kube.client.unschedulable import unschedulable
from shoal.kube.simulated.member import EmbeddedMember, MemberSettings
from shoal.runtime.clock import SystemClock

LIMIT_S = 20.0
CONFIG_MAP = Kind("", "ConfigMap")
numbers = itertools.count()


@pytest.fixture
async def embedded(tmp_path: Path) -> AsyncIterator[EmbeddedMember]:
    member = EmbeddedMember(MemberSettings(name="embedded", directory=tmp_path), SystemClock())
    await member.start()
    yield member
    await member.stop()


@pytest.fixture(params=["embedded", pytest.param("real_api", marks=pytest.mark.kube, id="real")])
def kubeconfig(request: pytest.FixtureRequest) -> str:
    return str(request.getfixturevalue(request.param).kubeconfig)


@pytest.fixture
async def api(kubeconfig: str) -> AsyncIterator[Api]:
    api = Api(await connect(kubeconfig, clock=SystemClock()), name="m1", clock=SystemClock(), page=3)
    yield api
    await api.close()


@pytest.fixture
async def namespace(api: Api) -> str:
    """A namespace of the test's own; real ones take seconds to delete, so they stay."""
    name = f"contract-{next(numbers)}"
    await api.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    return name


async def eventually(question: Callable[[], Awaitable[bool]], what: str) -> None:
    limit = SystemClock().monotonic() + LIMIT_S
    while not await question():
        assert SystemClock().monotonic() < limit, f"not within {LIMIT_S} s: {what}"
        await asyncio.sleep(0.02)


def config_map(namespace: str, name: str = "settings", **data: str) -> Manifest:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": namespace}, "data": data}


def deployment(namespace: str, name: str = "web", replicas: int = 1, image: str = "nginx:1") -> Manifest:
    labels = {"app": name}
    container = {"name": "app", "image": image, "resources": {"requests": {"cpu": "250m", "memory": "64Mi"}}}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": [container]}},
        },
    }


def ref(namespace: str, name: str = "settings") -> Ref:
    return Ref("", "ConfigMap", namespace, name)


async def test_kinds_are_discovered(api: Api) -> None:
    kinds = await api.discover()
    deployments = kinds.find("apps", "Deployment")
    assert deployments is not None
    assert (deployments.path("shop", "web"), deployments.namespaced) == ("/apis/apps/v1/namespaces/shop/deployments/web", True)
    assert {"get", "list", "watch", "create", "patch", "delete"} <= deployments.verbs
    nodes = kinds.find("", "Node")
    assert nodes is not None
    assert nodes.path("", "n1") == "/api/v1/nodes/n1"
    enabled = {(group.group_version, resource.kind) for group in kinds.enablements() for resource in group.resources}
    assert {("apps/v1", "Deployment"), ("v1", "ConfigMap"), ("batch/v1", "Job")} <= enabled


async def test_version_and_identity_of_the_cluster(api: Api) -> None:
    assert (await api.version()).startswith("v1.")
    assert await api.kube_system_uid() == await api.kube_system_uid() != ""
    assert await api.healthy()


async def test_apply_makes_changes_and_repeats_without_a_write(api: Api, namespace: str) -> None:
    made = await api.apply(config_map(namespace, colour="blue"), field_manager="shoal")
    again = await api.apply(config_map(namespace, colour="blue"), field_manager="shoal")
    changed = await api.apply(config_map(namespace, size="3"), field_manager="shoal")
    assert again["metadata"]["resourceVersion"] == made["metadata"]["resourceVersion"]
    assert changed["data"] == {"size": "3"}
    assert (await api.get(ref(namespace)) or {})["metadata"]["uid"] == made["metadata"]["uid"]


async def test_a_dry_run_writes_nothing(api: Api, namespace: str) -> None:
    shown = await api.apply(config_map(namespace, colour="blue"), field_manager="shoal", dry_run=True)
    assert shown["data"] == {"colour": "blue"}
    assert await api.get(ref(namespace)) is None


async def test_fields_of_another_manager_are_a_conflict_unless_forced(api: Api, namespace: str) -> None:
    await api.apply(config_map(namespace, colour="blue"), field_manager="somebody")
    with pytest.raises(Conflict, match="colour"):
        await api.apply(config_map(namespace, colour="red"), field_manager="shoal")
    taken = await api.apply(config_map(namespace, colour="red"), field_manager="shoal", force=True)
    assert taken["data"] == {"colour": "red"}


def _without_selector(namespace: str) -> Manifest:
    manifest = deployment(namespace)
    return {**manifest, "spec": {"template": manifest["spec"]["template"]}}


@pytest.mark.parametrize(
    ("make", "error", "text"),
    [
        pytest.param(_without_selector, ManifestRejected, "selector", id="required-field-missing"),
        pytest.param(lambda ns: config_map(ns, "Not_A_Name"), ManifestRejected, "Not_A_Name", id="invalid-name"),
        pytest.param(lambda ns: config_map("no-such-namespace"), DependencyMissing, "no-such-namespace", id="namespace-missing"),
        pytest.param(
            lambda ns: {"apiVersion": "example.dev/v1", "kind": "Toy", "metadata": {"name": "a", "namespace": ns}},
            DependencyMissing,
            "Toy",
            id="kind-not-served",
        ),
        pytest.param(
            lambda ns: {"apiVersion": "apps/v9", "kind": "Deployment", "metadata": {"name": "a", "namespace": ns}},
            DependencyMissing,
            "v9",
            id="version-not-served",
        ),
    ],
)
async def test_refusals_say_what_to_do_next(
    api: Api, namespace: str, make: Callable[[str], Manifest], error: type[Exception], text: str
) -> None:
    with pytest.raises(error, match=text):
        await api.apply(make(namespace), field_manager="shoal")


async def test_a_namespace_that_ends_takes_nothing_new_and_is_no_rejection(api: Api, namespace: str) -> None:
    held = config_map(namespace, "held")
    held["metadata"]["finalizers"] = ["example.dev/hold"]
    await api.create(held)
    assert await api.delete(Ref("", "Namespace", "", namespace))

    with pytest.raises(DependencyMissing, match=namespace):
        await api.apply(config_map(namespace), field_manager="shoal")
    await api.patch_merge(ref(namespace, "held"), {"metadata": {"finalizers": None}})


async def test_create_and_replace_are_compare_and_set(api: Api, namespace: str) -> None:
    first = await api.create(config_map(namespace, colour="blue"))
    with pytest.raises(RevisionConflict):
        await api.create(config_map(namespace, colour="blue"))
    second = await api.replace({**first, "data": {"colour": "red"}})
    with pytest.raises(RevisionConflict):
        await api.replace({**first, "data": {"colour": "green"}})
    assert (await api.get(ref(namespace)) or {})["data"] == second["data"] == {"colour": "red"}


async def test_apply_insists_on_the_uid_it_names(api: Api, namespace: str) -> None:
    made = await api.apply(config_map(namespace), field_manager="shoal")
    await api.delete(ref(namespace), uid=made["metadata"]["uid"])
    stale = config_map(namespace)
    stale["metadata"]["uid"] = made["metadata"]["uid"]
    with pytest.raises(RevisionConflict):
        await api.apply(stale, field_manager="shoal", force=True)
    assert await api.get(ref(namespace)) is None
    again = await api.apply(config_map(namespace), field_manager="shoal")
    with pytest.raises(RevisionConflict):
        await api.apply({**stale, "data": {"colour": "red"}}, field_manager="shoal", force=True)
    assert await api.get(ref(namespace)) == again


async def test_delete_takes_only_the_object_that_is_meant(api: Api, namespace: str) -> None:
    made = await api.apply(config_map(namespace, colour="blue"), field_manager="shoal")
    with pytest.raises(RevisionConflict):
        await api.delete(ref(namespace), uid="11111111-2222-3333-4444-555555555555")
    with pytest.raises(RevisionConflict):
        await api.delete(ref(namespace), uid=made["metadata"]["uid"], resource_version="1")
    assert await api.delete(ref(namespace), uid=made["metadata"]["uid"], resource_version=made["metadata"]["resourceVersion"])
    assert not await api.delete(ref(namespace), uid=made["metadata"]["uid"])


async def test_lists_come_in_pages_and_name_their_kind(api: Api, namespace: str) -> None:
    for number in range(7):
        manifest = config_map(namespace, f"settings-{number}")
        manifest["metadata"]["labels"] = {"odd": str(number % 2)}
        await api.create(manifest)
    odd = await api.list(CONFIG_MAP, namespace, label_selector="odd=1")
    everything = await api.list(CONFIG_MAP, namespace)
    assert [item["metadata"]["name"] for item in odd.items] == ["settings-1", "settings-3", "settings-5"]
    assert {item["metadata"]["name"] for item in everything.items} >= {f"settings-{number}" for number in range(7)}
    assert {(item["apiVersion"], item["kind"]) for item in everything.items} == {("v1", "ConfigMap")}
    assert int(everything.resource_version) > 0


@pytest.mark.parametrize("whole", [False, True], ids=["reduced", "whole"])
async def test_a_reflector_follows_every_change(api: Api, namespace: str, whole: bool) -> None:
    await api.apply(config_map(namespace, "before", colour="blue"), field_manager="shoal")
    told: list[tuple[str, str, Seen]] = []
    reflector = Reflector(
        api,
        CONFIG_MAP,
        namespace=namespace,
        clock=SystemClock(),
        whole=whole,
        on_event=lambda type_, ref_, seen: told.append((type_, ref_.name, seen)),
    )
    task = asyncio.create_task(reflector.run())
    try:
        await asyncio.wait_for(reflector.synced.wait(), LIMIT_S)
        await api.apply(config_map(namespace, "after", colour="red"), field_manager="shoal")
        await api.apply(config_map(namespace, "after", colour="green"), field_manager="shoal")
        await api.delete(ref(namespace, "before"))

        async def deletion_told() -> bool:
            return ("DELETED", "before") in [entry[:2] for entry in told]

        await eventually(deletion_told, "the deletion is told")
    finally:
        task.cancel()
    mine = [entry[:2] for entry in told if entry[1] in {"before", "after"}]
    assert mine == [("ADDED", "before"), ("ADDED", "after"), ("MODIFIED", "after"), ("DELETED", "before")]
    assert ref(namespace, "after") in reflector.seen
    assert ref(namespace, "before") not in reflector.seen
    last = next(seen for type_, name, seen in told if (type_, name) == ("MODIFIED", "after"))
    assert (last.manifest or {}).get("data") == ({"colour": "green"} if whole else None)
    assert (reflector.relists, reflector.failure) == (1, None)


async def test_what_is_foreign_in_a_namespace(api: Api, namespace: str) -> None:
    member = Member(api)
    ours = config_map(namespace, "ours")
    ours["metadata"]["labels"] = {"mine": "yes"}
    await member.apply(ours)
    owner = await member.apply(deployment(namespace))
    await member.apply(config_map(namespace, "theirs"))
    child = config_map(namespace, "child")
    child["metadata"]["ownerReferences"] = [
        {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web", "uid": owner["metadata"]["uid"]},
    ]
    await member.apply(child)
    foreign = await member.foreign_objects(namespace, lambda found: found.labels.get("mine") == "yes")
    assert foreign == [ref(namespace, "theirs"), Ref("apps", "Deployment", namespace, "web")]


async def test_a_deployment_becomes_ready_and_counts_in_the_inventory(api: Api, namespace: str) -> None:
    member = Member(api)
    before = await member.inventory()
    nodes = before.node_summary.total_num
    assert nodes == before.node_summary.ready_num > 0
    # A node has 8 CPU and 110 pods in both.
    assert before.resource_summary.allocatable["cpu"] == str(8 * nodes)
    assert before.resource_summary.allocatable["pods"] == str(110 * nodes)
    await member.apply(deployment(namespace, replicas=2))

    async def ready() -> bool:
        live = await member.live(Ref("apps", "Deployment", namespace, "web")) or {}
        return bool(live.get("status", {}).get("availableReplicas") == 2)

    await eventually(ready, "the Deployment is available")
    after = await member.inventory()
    pods = [int(each.resource_summary.allocated.get("pods", "0")) for each in (before, after)]
    assert pods[1] - pods[0] == 2
    assert after.kubernetes_version.startswith("v1.")
    assert after.complete_api_enablements


def pod_on(node: str, cpu: str) -> Manifest:
    container = {"name": "app", "image": "nginx:1", "resources": {"requests": {"cpu": cpu}}}
    metadata = {"name": f"on-{node}", "namespace": "default"}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": {"nodeName": node, "containers": [container]}}


@pytest.mark.spec("R4.18", "L11")
async def test_nodes_are_counted_by_what_their_pods_leave(embedded: EmbeddedMember) -> None:
    api = Api(await connect(str(embedded.kubeconfig), clock=SystemClock()), name="m1", clock=SystemClock(), page=2)
    member, grades = Member(api), tuple(Grade(number=number, least={"cpu": least}) for number, least in enumerate(("0", "2", "4")))

    async def counts() -> list[int]:
        inventory = await member.inventory(grades)
        assert inventory.grades == grades
        assert [item["grade"] for item in inventory.resource_summary.allocatable_modelings] == [0, 1, 2]
        return [item["count"] for item in inventory.resource_summary.allocatable_modelings]

    empty, little, much = sorted([room.name for room in await member.node_rooms()])
    assert await counts() == [0, 0, 3]
    for node, cpu in ((little, "5"), (much, "7500m")):
        await api.create(pod_on(node, cpu))
    assert await counts() == [1, 1, 1]
    await api.apply(
        {"apiVersion": "v1", "kind": "Node", "metadata": {"name": empty}, "spec": {"unschedulable": True}}, field_manager="test"
    )
    assert await counts() == [1, 1, 0]
    untold = await member.inventory()
    assert (untold.grades, untold.resource_summary.allocatable_modelings) == ((), ())
    assert untold.node_summary == (await member.inventory(grades)).node_summary
    await api.close()


async def test_the_agents_lease_has_one_holder(api: Api) -> None:
    clock = SystemClock()
    await Member(api).ensure_namespace()
    await Member(api).ensure_namespace()
    first, second = (AgentLease(api, clock, holder=holder, duration_s=15) for holder in ("first", "second"))
    assert await first.try_acquire()
    assert await first.try_acquire()
    assert not await second.try_acquire()
    assert second.held_by == "first"
    restarted = AgentLease(api, clock, holder="first", duration_s=15)
    assert await restarted.try_acquire()
    await restarted.release()
    assert await second.try_acquire()
    assert not await first.try_acquire()
    await second.release()


async def test_a_silent_holder_loses_the_lease(api: Api) -> None:
    await Member(api).ensure_namespace()
    dead, waiting = (AgentLease(api, SystemClock(), holder=holder, duration_s=1) for holder in ("dead", "waiting"))
    assert await dead.try_acquire()
    assert not await waiting.try_acquire()
    await asyncio.wait_for(waiting.acquire(), LIMIT_S)
    assert not await dead.try_acquire()
    await waiting.release()


async def test_a_member_remembers_who_it_is(api: Api) -> None:
    member = Member(api)
    await member.remember({"member-id": "abc", "name": "m1"})
    await member.remember({"member-id": "def", "name": "m1"})
    assert await member.identity() == {"member-id": "def", "name": "m1"}


@pytest.mark.spec("Q02", "Q03")
async def test_what_nodes_and_quotas_leave(api: Api, namespace: str) -> None:
    member = Member(api)
    for name, spec in (
        ("plain", {"hard": {"requests.cpu": "1500m", "pods": "5"}}),
        ("class", {"hard": {"pods": "2"}, "scopeSelector": {"matchExpressions": [{"scopeName": "PriorityClass", "operator": "In", "values": ["high"]}]}}),
        ("scoped", {"hard": {"pods": "1"}, "scopes": ["BestEffort"]}),
    ):  # fmt: skip
        await api.create({"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": name, "namespace": namespace}, "spec": spec})
    quotas = {quota.name: quota for quota in await member.quota_rooms(namespace)}
    assert sorted(quotas) == ["class", "plain"]
    assert (quotas["plain"].free, quotas["plain"].priority_classes) == ({"requests.cpu": 1500, "pods": 5000}, ())
    assert quotas["class"].priority_classes == ("high",)

    before = {room.name: room for room in await member.node_rooms()}
    for node, room in before.items():
        assert room.labels.get("kubernetes.io/hostname", node) == node
        assert room.free["pods"] > 0
    if before:
        await api.create(
            {
                "apiVersion": "v1",
                "kind": "Pod",
                "metadata": {"name": "sleeper", "namespace": namespace},
                "spec": {"containers": [{"name": "main", "image": "i", "resources": {"requests": {"cpu": "250m"}}}]},
            }
        )

        async def taken() -> bool:
            left = {room.name: room.free for room in await member.node_rooms()}
            return [before[name].free["cpu"] - left[name]["cpu"] for name in before if left[name] != before[name].free] == [250]

        await eventually(taken, "250m less on one node")


@pytest.mark.spec("R15.4", "Q05")
async def test_pods_that_no_node_takes(api: Api, namespace: str) -> None:
    ref, clock = Ref("apps", "Deployment", namespace, "web"), SystemClock()
    pod = {"nodeSelector": {"disk": "none-has-this"}, "containers": [{"name": "main", "image": "i"}]}
    template = {"metadata": {"labels": {"app": "web"}}, "spec": pod}
    spec = {"replicas": 2, "selector": {"matchLabels": {"app": "web"}}, "template": template}
    await api.create({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web", "namespace": namespace}, "spec": spec})

    async def counted(before: datetime, *refs: Ref) -> list[tuple[int, int]]:
        return [(one.pods, one.replicas) for one in await unschedulable(api, refs, before=before)]

    async def both() -> bool:
        return await counted(clock.now(), ref) == [(2, 2)]

    await eventually(both, "two pods without a node")
    assert await counted(clock.now() - timedelta(minutes=5), ref) == []
    assert await counted(clock.now(), Ref("apps", "Deployment", namespace, "other")) == []
