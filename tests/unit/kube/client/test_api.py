"""`Api` and discovery against scripted answers: paths, pages, repetition, refresh of kinds."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from shoal.api.errors import DependencyMissing, MemberUnavailable
from shoal.api.meta import Ref
from shoal.kube.client.api import Api, Kind
from shoal.kube.client.discovery import Kinds, discover
from shoal.kube.client.failures import WatchExpired
from shoal.kube.client.transport import ConnectionLost, LocalTransport
from shoal.kube.wire import Request, Response
from support.virtual import VirtualClock

CONFIG_MAP = Kind("", "ConfigMap")
REF = Ref("", "ConfigMap", "shop", "settings")
Run = Callable[..., Any]


def body(request: Request) -> Any:
    return msgspec.json.decode(request.body)


def page(*names: str, version: str = "7", more: str = "") -> Response:
    metadata = {"resourceVersion": version, **({"continue": more} if more else {})}
    return Response(status=200, body=msgspec.json.encode({"metadata": metadata, "items": [{"metadata": {"name": name}} for name in names]}))


def test_a_list_is_read_page_by_page(api: Api, script: Any, run: Run) -> None:
    script.respond = lambda request: page("c") if request.query.get("continue") == "next" else page("a", "b", more="next")
    listing = run(api.list(CONFIG_MAP, "shop", label_selector="a=b"))
    assert [item["metadata"]["name"] for item in listing.items] == ["a", "b", "c"]
    assert listing.items[0]["kind"] == "ConfigMap"
    assert listing.resource_version == "7"
    assert [request.query for request in script.asked] == [
        {"limit": "500", "labelSelector": "a=b"},
        {"limit": "500", "labelSelector": "a=b", "continue": "next"},
    ]
    assert script.asked[0].path == "/api/v1/namespaces/shop/configmaps"


def test_a_page_that_expired_is_told(api: Api, script: Any, run: Run) -> None:
    expired = Response(status=410, body=b'{"kind": "Status", "reason": "Expired", "code": 410}')
    script.respond = lambda request: expired if "continue" in request.query else page("a", more="next")
    with pytest.raises(WatchExpired):
        run(api.list(CONFIG_MAP))


def test_an_apply_is_sent_as_a_real_server_wants_it(api: Api, script: Any, run: Run) -> None:
    script.respond = lambda request: Response(status=200, body=b"{}")
    manifest = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings", "namespace": "shop", "managedFields": [{}]}}
    run(api.apply(manifest, field_manager="shoal", force=True))
    request = script.asked[0]
    assert (request.method, request.path) == ("PATCH", "/api/v1/namespaces/shop/configmaps/settings")
    assert request.query == {"fieldManager": "shoal", "force": "true"}
    assert request.headers["content-type"].startswith("application/apply-patch+yaml")
    assert body(request)["metadata"] == {"name": "settings", "namespace": "shop"}
    assert "managedFields" in manifest["metadata"]


@pytest.mark.parametrize(
    ("given", "preconditions"),
    [
        pytest.param({}, None, id="none"),
        pytest.param({"uid": "u"}, {"uid": "u"}, id="uid"),
        pytest.param({"uid": "u", "resource_version": "3"}, {"uid": "u", "resourceVersion": "3"}, id="uid-and-version"),
    ],
)
def test_a_delete_names_what_it_means(api: Api, script: Any, run: Run, given: dict[str, str], preconditions: dict[str, str] | None) -> None:
    script.respond = lambda request: Response(status=200, body=b"{}")
    assert run(api.delete(REF, **given))
    assert body(script.asked[0]).get("preconditions") == preconditions
    assert body(script.asked[0])["propagationPolicy"] == "Background"


class Flaky:
    """Loses the connection so often before it answers."""

    def __init__(self, script: Any, losses: int) -> None:
        self._inner, self.losses = LocalTransport(script.handle), losses

    async def send(self, request: Request, *, timeout_s: float) -> Response:
        if request.method != "GET" or "configmaps" in request.path:
            self.losses -= 1
            if self.losses >= 0:
                raise ConnectionLost("gone")
        return await self._inner.send(request, timeout_s=timeout_s)

    async def open(self, request: Request) -> Response:
        return await self._inner.open(request)

    async def close(self) -> None:
        await self._inner.close()


@pytest.mark.parametrize(
    ("verb", "losses", "arrives"),
    [
        pytest.param("get", 1, True, id="get-once-more"),
        pytest.param("get", 2, False, id="get-not-twice"),
        pytest.param("apply", 1, True, id="apply-is-repeatable"),
        pytest.param("delete", 1, True, id="delete-is-repeatable"),
        pytest.param("create", 1, False, id="create-is-not"),
    ],
)
def test_a_lost_connection_costs_one_repetition_where_that_is_safe(script: Any, run: Run, verb: str, losses: int, arrives: bool) -> None:
    script.respond = lambda request: Response(status=200, body=b"{}")
    api = Api(Flaky(script, losses), name="m1", clock=VirtualClock())
    manifest = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings", "namespace": "shop"}}

    async def ask() -> object:
        if verb == "get":
            return await api.get(REF)
        if verb == "delete":
            return await api.delete(REF)
        return await (api.apply(manifest, field_manager="x") if verb == "apply" else api.create(manifest))

    if arrives:
        run(ask())
    else:
        with pytest.raises(MemberUnavailable):
            run(ask())
    assert len(script.asked) == int(arrives)


def test_an_unknown_kind_is_asked_for_again_but_seldom(api: Api, script: Any, clock: VirtualClock, run: Run) -> None:
    async def scenario() -> None:
        for _ in range(20):
            with pytest.raises(DependencyMissing, match=r"Toy of example\.dev"):
                await api.get(Ref("example.dev", "Toy", "shop", "a"))
        assert script.discoveries == 2  # One discovery: /api and /apis.
        await clock.sleep(6)
        with pytest.raises(DependencyMissing):
            await api.get(Ref("example.dev", "Toy", "shop", "a"))
        assert script.discoveries == 4
        await api.info("apps", "Deployment")
        assert script.discoveries == 4

    run(scenario())


@pytest.mark.parametrize(
    "chunks",
    [
        pytest.param([b'{"a":1}\n{"b":2}\n'], id="two-in-one"),
        pytest.param([b'{"a"', b":1}", b'\n{"b":2}\n'], id="torn"),
        pytest.param([b'{"a":1}\n', b"\n", b'{"b":2}\n'], id="empty-line"),
        pytest.param([bytes([byte]) for byte in b'{"a":1}\n{"b":2}\n'], id="byte-by-byte"),
        pytest.param([b'{"a":1}\n{"b":2}\n{"torn'], id="torn-tail-is-dropped"),
    ],
)
def test_lines_of_a_watch(api: Api, script: Any, run: Run, chunks: list[bytes]) -> None:
    async def generate() -> Any:
        for chunk in chunks:
            yield chunk

    script.respond = lambda request: Response(status=200, stream=generate())

    async def scenario() -> list[bytes]:
        return [line async for line in api.watch(CONFIG_MAP, resource_version="5")]

    assert run(scenario()) == [b'{"a":1}', b'{"b":2}']
    assert script.asked[0].query["resourceVersion"] == "5"
    assert script.asked[0].query["allowWatchBookmarks"] == "true"


def test_a_watch_that_is_left_early_closes_its_stream(api: Api, script: Any, run: Run) -> None:
    closed = []

    async def generate() -> Any:
        try:
            while True:
                yield b'{"a":1}\n'
        finally:
            closed.append(True)

    script.respond = lambda request: Response(status=200, stream=generate())

    async def scenario() -> None:
        lines = api.watch(CONFIG_MAP, resource_version="5")
        await anext(lines)
        await lines.aclose()

    run(scenario())
    assert closed == [True]


# --- discovery ---

OLD = {
    "/api": {"kind": "APIVersions", "versions": ["v1"]},
    "/apis": {
        "kind": "APIGroupList",
        "groups": [
            {"name": "apps", "versions": [{"version": "v1beta1"}, {"version": "v1"}], "preferredVersion": {"version": "v1"}},
            {"name": "away.dev", "versions": [{"version": "v1"}], "preferredVersion": {"version": "v1"}},
        ],
    },
    "/api/v1": {
        "resources": [{"name": "pods", "kind": "Pod", "namespaced": True, "verbs": ["get"]}, {"name": "pods/status", "kind": "Pod"}]
    },
    "/apis/apps/v1": {"resources": [{"name": "deployments", "kind": "Deployment", "namespaced": True, "verbs": ["get"]}]},
    "/apis/apps/v1beta1": {"resources": [{"name": "deployments", "kind": "Deployment", "namespaced": True, "verbs": ["get"]}]},
}


def test_discovery_of_an_old_server(run: Run) -> None:
    async def get(path: str, accept: str) -> Response:
        if path not in OLD:
            raise MemberUnavailable("503")
        return Response(status=200, body=msgspec.json.encode(OLD[path]))

    kinds: Kinds = run(discover(get, unavailable=MemberUnavailable))
    deployment, pod = kinds.find("apps", "Deployment"), kinds.find("", "Pod")
    assert deployment is not None
    assert pod is not None
    assert (deployment.version, deployment.path("shop")) == ("v1", "/apis/apps/v1/namespaces/shop/deployments")
    assert kinds.find("apps", "Deployment", "v1beta1") is not None
    assert pod.plural == "pods"
    assert (len(kinds), kinds.complete) == (2, False)


@pytest.mark.parametrize(("freshness", "complete"), [("Current", True), ("Stale", False)])
def test_a_stale_group_makes_discovery_incomplete(run: Run, freshness: str, complete: bool) -> None:
    version = {"version": "v1", "freshness": freshness, "resources": []}
    body = {"kind": "APIGroupDiscoveryList", "items": [{"metadata": {"name": "away.dev"}, "versions": [version]}]}

    async def get(path: str, accept: str) -> Response:
        return Response(status=200, body=msgspec.json.encode(body))

    assert run(discover(get, unavailable=MemberUnavailable)).complete is complete
