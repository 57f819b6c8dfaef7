"""`deletes.py` through the door: finalizers, preconditions, collections, namespaces."""

from __future__ import annotations

from typing import Any

import pytest

from shoal.kube.apiserver import Options
from support.apiserver import CONFIG_MAPS, DEPLOYMENTS, MERGE, Client, config_map, deployment


def held(name: str, *finalizers: str) -> dict[str, Any]:
    object_ = config_map(name)
    object_["metadata"]["finalizers"] = list(finalizers)
    return object_


async def test_an_object_goes_at_once(api: Client) -> None:
    made = await api("POST", CONFIG_MAPS, config_map("a"))
    told = await api("DELETE", f"{CONFIG_MAPS}/a", code=200)
    assert told["status"] == "Success"
    assert told["details"] == {"name": "a", "kind": "configmaps", "uid": made["metadata"]["uid"]}
    await api("DELETE", f"{CONFIG_MAPS}/a", code=404)


async def test_a_finalizer_keeps_it_until_it_is_dropped(api: Client) -> None:
    await api("POST", CONFIG_MAPS, held("a", "example.org/x"))
    marked = await api("DELETE", f"{CONFIG_MAPS}/a")
    assert marked["metadata"]["deletionTimestamp"] == "2026-01-01T00:00:00Z"
    revision = api.store.revision()
    await api.clock.advance(5)
    again = await api("DELETE", f"{CONFIG_MAPS}/a")
    assert (again, api.store.revision()) == (marked, revision)
    await api("PATCH", f"{CONFIG_MAPS}/a", {"metadata": {"finalizers": None}}, type_=MERGE)
    await api("GET", f"{CONFIG_MAPS}/a", code=404)


async def test_an_object_under_deletion_gets_no_new_finalizers(api: Client) -> None:
    await api("POST", CONFIG_MAPS, held("a", "example.org/x"))
    await api("DELETE", f"{CONFIG_MAPS}/a")
    more = {"metadata": {"finalizers": ["example.org/x", "example.org/y"]}}
    told = await api("PATCH", f"{CONFIG_MAPS}/a", more, type_=MERGE, code=422)
    assert 'found new finalizers []string{"example.org/y"}' in told["message"]


@pytest.mark.parametrize(
    ("preconditions", "code"),
    [
        pytest.param({"uid": "uid-99"}, 409, id="other-uid"),
        pytest.param({"resourceVersion": "1"}, 409, id="old-version"),
        pytest.param({}, 200, id="none"),
        pytest.param({"uid": None}, 200, id="null"),
    ],
)
async def test_preconditions(api: Client, preconditions: dict[str, Any], code: int) -> None:
    await api("POST", CONFIG_MAPS, config_map("a"))
    body = {"kind": "DeleteOptions", "apiVersion": "v1", "preconditions": preconditions}
    body["preconditions"] = {key: value for key, value in preconditions.items() if value is not None} or None
    await api("DELETE", f"{CONFIG_MAPS}/a", body, code=code)


async def test_the_right_preconditions_hold(api: Client) -> None:
    metadata = (await api("POST", CONFIG_MAPS, config_map("a")))["metadata"]
    preconditions = {"uid": metadata["uid"], "resourceVersion": metadata["resourceVersion"]}
    await api("DELETE", f"{CONFIG_MAPS}/a", {"preconditions": preconditions}, code=200)


@pytest.mark.parametrize("body", [b"[1]", b"{", b'{"preconditions": 3}'])
async def test_broken_options_are_refused(api: Client, body: bytes) -> None:
    await api("POST", CONFIG_MAPS, config_map("a"))
    await api("DELETE", f"{CONFIG_MAPS}/a", body, code=400)


async def test_a_collection_is_deleted_by_selector(api: Client) -> None:
    for name in "abc":
        object_ = config_map(name)
        object_["metadata"]["labels"] = {"keep": str(name == "b").lower()}
        await api("POST", CONFIG_MAPS, object_)
    deleted = await api("DELETE", CONFIG_MAPS, labelSelector="keep=false")
    assert [one["metadata"]["name"] for one in deleted["items"]] == ["a", "c"]
    assert [one["metadata"]["name"] for one in (await api("GET", CONFIG_MAPS))["items"]] == ["b"]


@pytest.mark.parametrize(
    ("enabled", "policy", "finalizers"),
    [
        pytest.param(True, "Foreground", ["foregroundDeletion"], id="foreground"),
        pytest.param(True, "Orphan", ["orphan"], id="orphan"),
        pytest.param(True, "Background", None, id="background"),
        pytest.param(False, "Foreground", None, id="nobody-collects"),
    ],
)
async def test_propagation(enabled: bool, policy: str, finalizers: list[str] | None) -> None:
    api = Client(options=Options(deletion_finalizers=enabled))
    await api.server.create_namespaces()
    await api("POST", DEPLOYMENTS, deployment())
    await api("DELETE", f"{DEPLOYMENTS}/web", {"propagationPolicy": policy})
    left = await api.raw("GET", f"{DEPLOYMENTS}/web")
    if finalizers is None:
        assert left.status == 404
    else:
        assert f'"finalizers":["{finalizers[0]}"]'.encode() in left.body


async def test_a_namespace_takes_its_content_along(api: Client) -> None:
    await api("POST", "/api/v1/namespaces", {"metadata": {"name": "shop"}})
    await api("POST", "/api/v1/namespaces/shop/configmaps", config_map("a"))
    await api("POST", "/apis/apps/v1/namespaces/shop/deployments", deployment())
    await api("DELETE", "/api/v1/namespaces/shop")
    for path in ("/api/v1/namespaces/shop", "/api/v1/namespaces/shop/configmaps/a", "/apis/apps/v1/namespaces/shop/deployments/web"):
        await api("GET", path, code=404)


async def test_a_namespace_waits_for_content_that_is_held(api: Client) -> None:
    await api("POST", "/api/v1/namespaces", {"metadata": {"name": "shop"}})
    path = "/api/v1/namespaces/shop/configmaps"
    await api("POST", path, held("a", "example.org/x"))
    terminating = await api("DELETE", "/api/v1/namespaces/shop")
    assert terminating["status"]["phase"] == "Terminating"
    told = await api("POST", path, config_map("b"), code=403)
    assert "because it is being terminated" in told["message"]
    assert told["details"]["causes"][0]["reason"] == "NamespaceTerminating"
    await api("PATCH", f"{path}/a", {"metadata": {"finalizers": None}}, type_=MERGE)
    await api("GET", "/api/v1/namespaces/shop", code=404)


async def test_a_held_namespace_goes_when_it_is_released(api: Client) -> None:
    await api("POST", "/api/v1/namespaces", {"metadata": {"name": "shop", "finalizers": ["example.org/x"]}})
    await api("DELETE", "/api/v1/namespaces/shop")
    assert (await api("GET", "/api/v1/namespaces/shop"))["status"]["phase"] == "Terminating"
    await api("PATCH", "/api/v1/namespaces/shop", {"metadata": {"finalizers": None}}, type_=MERGE)
    await api("GET", "/api/v1/namespaces/shop", code=404)


async def test_without_cascading_a_namespace_is_an_object_like_others() -> None:
    api = Client(options=Options(cascade_namespaces=False))
    await api("POST", "/api/v1/namespaces", {"metadata": {"name": "shop"}})
    await api("POST", "/api/v1/namespaces/shop/configmaps", config_map("a"))
    await api("DELETE", "/api/v1/namespaces/shop")
    await api("GET", "/api/v1/namespaces/shop", code=404)
    await api("GET", "/api/v1/namespaces/shop/configmaps/a")
