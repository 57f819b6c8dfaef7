"""`reads.py` through the door: get, list in chunks, watch."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from shoal.kube.apiserver import MemoryStore, Options
from shoal.kube.apiserver.store import decode
from support.apiserver import CONFIG_MAPS, DEPLOYMENTS, MERGE, Client, config_map, deployment

TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io"
METADATA = "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io"
LIMIT_S = 10


class Watching:
    """The events of a watch, one by one."""

    def __init__(self, stream: AsyncIterator[bytes]) -> None:
        self._stream = stream
        self._lines: list[bytes] = []

    async def event(self) -> dict[str, Any]:
        while not self._lines:
            chunk = await asyncio.wait_for(anext(self._stream), LIMIT_S)
            self._lines = chunk.splitlines()
        out: dict[str, Any] = decode(self._lines.pop(0))
        return out

    async def told(self) -> tuple[str, str]:
        event = await self.event()
        return event["type"], event["object"]["metadata"].get("name", "")

    async def ended(self) -> bool:
        return await asyncio.wait_for(anext(self._stream, None), LIMIT_S) is None

    async def close(self) -> None:
        await self._stream.aclose()  # type: ignore[attr-defined]  # `Response.stream` promises it.


async def watch(api: Client, path: str = CONFIG_MAPS, *, accept: str = "", **query: Any) -> Watching:
    answer = await api.raw("GET", path, accept=accept, watch="true", **query)
    assert answer.status == 200
    assert answer.stream is not None
    return Watching(answer.stream)


@pytest.fixture
async def filled(api: Client) -> Client:
    for name in "abcde":
        object_ = config_map(name)
        object_["metadata"]["labels"] = {"odd": str(name in "ace").lower()}
        await api("POST", CONFIG_MAPS, object_)
    return api


def names(listed: Any) -> str:
    return "".join(one["metadata"]["name"] for one in listed["items"])


async def test_a_list_has_the_revision_of_the_store(filled: Client) -> None:
    listed = await filled("GET", CONFIG_MAPS)
    assert (listed["kind"], listed["apiVersion"], names(listed)) == ("ConfigMapList", "v1", "abcde")
    assert listed["metadata"] == {"resourceVersion": str(filled.store.revision())}


@pytest.mark.parametrize(
    ("query", "chosen"),
    [
        pytest.param({"labelSelector": "odd=true"}, "ace", id="labels"),
        pytest.param({"fieldSelector": "metadata.name=b"}, "b", id="fields"),
        pytest.param({"labelSelector": "odd=false", "fieldSelector": "metadata.name!=b"}, "d", id="both"),
        pytest.param({"resourceVersion": "0"}, "abcde", id="any-version"),
        pytest.param({"resourceVersion": "3", "resourceVersionMatch": "NotOlderThan"}, "abcde", id="not-older"),
    ],
)
async def test_what_a_list_chooses(filled: Client, query: dict[str, str], chosen: str) -> None:
    assert names(await filled("GET", CONFIG_MAPS, **query)) == chosen


async def test_chunks_are_of_one_moment(filled: Client) -> None:
    first = await filled("GET", CONFIG_MAPS, limit=2)
    assert (names(first), first["metadata"]["remainingItemCount"]) == ("ab", 3)
    await filled("DELETE", f"{CONFIG_MAPS}/c")
    await filled("POST", CONFIG_MAPS, config_map("cc"))
    second = await filled("GET", CONFIG_MAPS, limit=2, **{"continue": first["metadata"]["continue"]})
    third = await filled("GET", CONFIG_MAPS, limit=2, **{"continue": second["metadata"]["continue"]})
    assert names(second) + names(third) == "cde"
    assert {one["metadata"]["resourceVersion"] for one in (first, second, third)} == {first["metadata"]["resourceVersion"]}
    assert "continue" not in third["metadata"]


async def test_chunks_of_a_selection(filled: Client) -> None:
    first = await filled("GET", CONFIG_MAPS, limit=2, labelSelector="odd=true")
    second = await filled("GET", CONFIG_MAPS, limit=2, labelSelector="odd=true", **{"continue": first["metadata"]["continue"]})
    assert (names(first), names(second)) == ("ac", "e")
    assert "remainingItemCount" not in first["metadata"]


async def test_a_forgotten_chunk_is_expired() -> None:
    api = Client(options=Options(list_snapshots=1))
    await api.server.create_namespaces()
    for name in "abc":
        await api("POST", CONFIG_MAPS, config_map(name))
    first = await api("GET", CONFIG_MAPS, limit=1)
    await api("POST", CONFIG_MAPS, config_map("d"))
    await api("GET", CONFIG_MAPS, limit=1)
    told = await api("GET", CONFIG_MAPS, limit=1, code=410, **{"continue": first["metadata"]["continue"]})
    assert told["reason"] == "Expired"


@pytest.mark.parametrize(
    ("query", "code"),
    [
        pytest.param({"continue": "nonsense"}, 400, id="broken-token"),
        pytest.param({"limit": "x"}, 400, id="limit-is-no-number"),
        pytest.param({"resourceVersion": "x"}, 400, id="version-is-no-number"),
        pytest.param({"resourceVersion": "1", "resourceVersionMatch": "Exact"}, 410, id="exact-but-old"),
        pytest.param({"labelSelector": "a b c"}, 400, id="no-selector"),
        pytest.param({"fieldSelector": "data.x=1"}, 400, id="unknown-field"),
    ],
)
async def test_lists_that_are_refused(filled: Client, query: dict[str, str], code: int) -> None:
    assert (await filled("GET", CONFIG_MAPS, code=code, **query))["kind"] == "Status"


async def test_a_version_from_the_future_is_waited_for_and_then_refused() -> None:
    api = Client(options=Options(version_wait_s=0.05))
    told = await api("GET", "/api/v1/namespaces", resourceVersion="99", resourceVersionMatch="NotOlderThan", code=504)
    assert "Too large resource version" in told["message"]


async def test_only_metadata(filled: Client) -> None:
    listed = await filled("GET", CONFIG_MAPS, accept=METADATA)
    assert listed["kind"] == "PartialObjectMetadataList"
    assert {one["kind"] for one in listed["items"]} == {"PartialObjectMetadata"}
    assert "data" not in listed["items"][0]


async def test_get_what_is_not_there(api: Client) -> None:
    told = await api("GET", f"{DEPLOYMENTS}/web", code=404)
    assert told["message"] == 'deployments.apps "web" not found'
    assert told["details"] == {"name": "web", "group": "apps", "kind": "deployments"}


async def test_a_watch_without_a_version_begins_with_what_is_there(filled: Client) -> None:
    watching = await watch(filled, labelSelector="odd=true")
    assert [await watching.told() for _ in range(3)] == [("ADDED", "a"), ("ADDED", "c"), ("ADDED", "e")]
    await filled("DELETE", f"{CONFIG_MAPS}/c")
    assert await watching.told() == ("DELETED", "c")
    await watching.close()


async def test_a_watch_from_a_version_hears_what_came_after(filled: Client) -> None:
    version = filled.store.revision()
    await filled("PATCH", f"{CONFIG_MAPS}/a", {"data": {"x": "1"}}, type_=MERGE)
    watching = await watch(filled, resourceVersion=version)
    event = await watching.event()
    assert (event["type"], event["object"]["data"]) == ("MODIFIED", {"x": "1"})
    assert int(event["object"]["metadata"]["resourceVersion"]) == version + 1
    await watching.close()


@pytest.mark.parametrize(
    ("odd", "type_"),
    [pytest.param("true", "ADDED", id="enters"), pytest.param("neither", None, id="stays-out")],
)
async def test_an_object_enters_a_selection(filled: Client, odd: str, type_: str | None) -> None:
    watching = await watch(filled, labelSelector="odd=true", resourceVersion=filled.store.revision())
    await filled("PATCH", f"{CONFIG_MAPS}/b", {"metadata": {"labels": {"odd": odd}}}, type_=MERGE)
    await filled("PATCH", f"{CONFIG_MAPS}/a", {"metadata": {"labels": {"odd": "left"}}}, type_=MERGE)
    if type_ is not None:
        assert await watching.told() == (type_, "b")
    assert await watching.told() == ("DELETED", "a")
    await watching.close()


async def test_initial_events_end_with_a_bookmark(filled: Client) -> None:
    query = {"sendInitialEvents": "true", "resourceVersionMatch": "NotOlderThan", "allowWatchBookmarks": "true"}
    watching = await watch(filled, **query)
    assert [(await watching.told())[1] for _ in range(5)] == list("abcde")
    bookmark = await watching.event()
    assert bookmark["type"] == "BOOKMARK"
    assert bookmark["object"]["metadata"]["annotations"] == {"k8s.io/initial-events-end": "true"}
    assert bookmark["object"]["metadata"]["resourceVersion"] == str(filled.store.revision())
    await watching.close()


async def test_a_quiet_watch_hears_bookmarks() -> None:
    api = Client(options=Options(bookmark_s=0.01))
    await api.server.create_namespaces()
    watching = await watch(api, resourceVersion=api.store.revision(), allowWatchBookmarks="true")
    event = await watching.event()
    assert (event["type"], event["object"]["kind"]) == ("BOOKMARK", "ConfigMap")
    assert event["object"]["metadata"]["resourceVersion"] == str(api.store.revision())
    await watching.close()


async def test_an_old_version_is_told_in_the_stream() -> None:
    api = Client(store=MemoryStore(window=1))
    await api.server.create_namespaces()
    watching = await watch(api, resourceVersion=1)
    event = await watching.event()
    assert (event["type"], event["object"]["code"], event["object"]["reason"]) == ("ERROR", 410, "Expired")
    assert await watching.ended()


async def test_a_watch_ends_after_its_time(api: Client) -> None:
    answer = await api.raw("GET", CONFIG_MAPS, watch="1", timeoutSeconds="1", resourceVersion=api.store.revision())
    assert answer.stream is not None
    assert [chunk async for chunk in answer.stream] == []


async def test_stopping_the_server_ends_watches(api: Client) -> None:
    watching = await watch(api, resourceVersion=api.store.revision())
    asyncio.get_running_loop().call_soon(api.server.stop)
    assert await watching.ended()


async def test_a_watch_of_one_object_as_rows(api: Client) -> None:
    await api("POST", DEPLOYMENTS, deployment("web"))
    watching = await watch(api, DEPLOYMENTS, accept=TABLE, fieldSelector="metadata.name=web")
    row = (await watching.event())["object"]
    assert (row["kind"], row["rows"][0]["cells"][:2]) == ("Table", ["web", "0/1"])
    assert row["rows"][0]["object"]["kind"] == "PartialObjectMetadata"
    await watching.close()


async def test_two_watchers_share_one_encoding(api: Client) -> None:
    one, two = await watch(api, resourceVersion=api.store.revision()), await watch(api, resourceVersion=api.store.revision())
    await api("POST", CONFIG_MAPS, config_map("a"))
    assert await one.event() == await two.event()
    await one.close()
    await two.close()


async def test_closing_a_watch_that_nobody_read_leaves_nothing_behind(api: Client) -> None:
    watching = await watch(api)
    await watching.close()
    assert api.store.watchers == 0
