"""`fields.py` through the door: server-side apply, and who owns what after other writes."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from support.apiserver import CONFIG_MAPS, DEPLOYMENTS, MERGE, STRATEGIC, Client, config_map, deployment


def owners(object_: dict[str, Any]) -> dict[str, Any]:
    """{manager/operation: fields}"""
    return {f"{one['manager']}/{one['operation']}": one["fieldsV1"] for one in object_["metadata"].get("managedFields", [])}


async def test_an_applier_owns_exactly_what_it_applied(api: Client) -> None:
    made = await api.apply(f"{CONFIG_MAPS}/a", config_map("a", x="1"), code=201)
    assert owners(made) == {"m1/Apply": {"f:data": {"f:x": {}}}}


async def test_the_same_apply_again_moves_nothing(api: Client) -> None:
    made = await api.apply(f"{DEPLOYMENTS}/web", deployment(), code=201)
    await api.clock.advance(60)
    assert await api.apply(f"{DEPLOYMENTS}/web", deployment(), code=200) == made
    assert api.store.revision() == int(made["metadata"]["resourceVersion"])


async def test_what_is_no_longer_applied_goes(api: Client) -> None:
    await api.apply(f"{CONFIG_MAPS}/a", config_map("a", x="1", y="2"))
    left = await api.apply(f"{CONFIG_MAPS}/a", config_map("a", x="1"))
    assert left["data"] == {"x": "1"}


async def test_what_another_applied_too_stays(api: Client) -> None:
    await api.apply(f"{CONFIG_MAPS}/a", config_map("a", x="1", y="2"))
    await api.apply(f"{CONFIG_MAPS}/a", config_map("a", y="2"), manager="m2")
    left = await api.apply(f"{CONFIG_MAPS}/a", config_map("a", x="1"))
    assert left["data"] == {"x": "1", "y": "2"}
    assert owners(left)["m2/Apply"] == {"f:data": {"f:y": {}}}


async def test_a_conflict_names_every_field_and_its_manager(api: Client) -> None:
    await api.apply(f"{CONFIG_MAPS}/a", config_map("a", x="1", y="2"))
    told = await api.apply(f"{CONFIG_MAPS}/a", config_map("a", x="9", y="9"), manager="m2", code=409)
    assert told["reason"] == "Conflict"
    assert told["message"] == 'Apply failed with 2 conflicts: conflicts with "m1":\n- .data.x\n- .data.y'
    causes = told["details"]["causes"]
    assert causes[0] == {"reason": "FieldManagerConflict", "message": 'conflict with "m1"', "field": ".data.x"}


async def test_force_takes_the_fields(api: Client) -> None:
    await api.apply(f"{CONFIG_MAPS}/a", config_map("a", x="1", y="2"))
    taken = await api.apply(f"{CONFIG_MAPS}/a", config_map("a", x="9"), manager="m2", force="true")
    assert taken["data"] == {"x": "9", "y": "2"}
    assert owners(taken) == {"m1/Apply": {"f:data": {"f:y": {}}}, "m2/Apply": {"f:data": {"f:x": {}}}}


async def test_an_equal_value_is_shared_without_a_conflict(api: Client) -> None:
    await api.apply(f"{CONFIG_MAPS}/a", config_map("a", x="1"))
    shared = await api.apply(f"{CONFIG_MAPS}/a", config_map("a", x="1"), manager="m2")
    assert owners(shared) == {"m1/Apply": {"f:data": {"f:x": {}}}, "m2/Apply": {"f:data": {"f:x": {}}}}


async def test_an_update_takes_what_it_changes(api: Client) -> None:
    await api.apply(f"{CONFIG_MAPS}/a", config_map("a", x="1", y="2"))
    patched = await api("PATCH", f"{CONFIG_MAPS}/a", {"data": {"x": "5"}}, type_=MERGE)
    assert owners(patched) == {"m1/Apply": {"f:data": {"f:y": {}}}, "unit/Update": {"f:data": {"f:x": {}}}}
    told = await api.apply(f"{CONFIG_MAPS}/a", config_map("a", x="1", y="2"), code=409)
    assert told["message"] == 'Apply failed with 1 conflict: conflict with "unit" using v1: .data.x'


async def test_items_of_one_list_have_different_owners(api: Client) -> None:
    await api.apply(f"{DEPLOYMENTS}/web", deployment())
    side = {"spec": {"template": {"spec": {"containers": [{"name": "side", "image": "side:1"}]}}}}
    await api("PATCH", f"{DEPLOYMENTS}/web", side, type_=STRATEGIC)
    again = await api.apply(f"{DEPLOYMENTS}/web", deployment(replicas=2))
    assert {one["name"] for one in again["spec"]["template"]["spec"]["containers"]} == {"app", "side"}


async def test_an_object_from_before_is_not_taken_over_silently(api: Client) -> None:
    await api("POST", CONFIG_MAPS, config_map("a", x="1"), code=201)
    await api("PATCH", f"{CONFIG_MAPS}/a", {"metadata": {"managedFields": [{}]}}, type_=MERGE)
    assert owners(await api("GET", f"{CONFIG_MAPS}/a")) == {}
    told = await api.apply(f"{CONFIG_MAPS}/a", config_map("a", x="2"), code=409)
    assert 'conflict with "before-first-apply" using v1: .data.x' in told["message"]


async def test_status_is_applied_at_its_own_door(api: Client) -> None:
    await api.apply(f"{DEPLOYMENTS}/web", {**deployment(), "status": {"replicas": 9}})
    status = {"apiVersion": "apps/v1", "kind": "Deployment", "status": {"replicas": 3}, "spec": {"paused": True}}
    shown = await api.apply(f"{DEPLOYMENTS}/web/status", status, manager="controller")
    assert shown["status"] == {"replicas": 3}
    assert "paused" not in shown["spec"]
    assert owners(shown)["controller/Apply"] == {"f:status": {"f:replicas": {}}}
    assert [one.get("subresource") for one in shown["metadata"]["managedFields"]] == ["status", None]


@pytest.mark.parametrize(
    ("object_", "query", "code", "told"),
    [
        pytest.param(config_map("a"), {}, 422, "fieldManager: Required value", id="no-manager"),
        pytest.param({"metadata": {"name": "a"}}, {"fieldManager": "m"}, 400, "invalid object type", id="no-kind"),
        pytest.param({**config_map("a"), "foo": 1}, {"fieldManager": "m"}, 400, ".foo: field not declared in schema", id="unknown-field"),
        pytest.param(
            {**config_map("a"), "metadata": {"name": "a", "managedFields": [{"manager": "x"}]}},
            {"fieldManager": "m"},
            400,
            "metadata.managedFields must be nil",
            id="managed-fields",
        ),
        pytest.param(config_map("b"), {"fieldManager": "m"}, 400, "does not match the name on the URL", id="other-name"),
    ],
)
async def test_applies_that_are_refused(api: Client, object_: Any, query: dict[str, str], code: int, told: str) -> None:
    answer = await api("PATCH", f"{CONFIG_MAPS}/a", object_, type_="application/apply-patch+yaml", code=code, **query)
    assert told in answer["message"]


async def test_an_apply_insists_on_the_uid_it_names(api: Client) -> None:
    named = {**config_map("a"), "metadata": {"name": "a", "uid": "another"}}
    told = await api.apply(f"{CONFIG_MAPS}/a", named, code=409)
    assert told["message"].endswith("uid mismatch: the provided object specified uid another, and no existing object was found")
    made = await api.apply(f"{CONFIG_MAPS}/a", config_map("a"), code=201)
    told = await api.apply(f"{CONFIG_MAPS}/a", named, code=422)
    assert told["details"]["causes"] == [
        {"reason": "FieldValueInvalid", "message": 'Invalid value: "another": field is immutable', "field": "metadata.uid"}
    ]
    named["metadata"]["uid"] = made["metadata"]["uid"]
    assert await api.apply(f"{CONFIG_MAPS}/a", named) == made


async def test_many_one_time_writers_are_summed_up(api: Client) -> None:
    await api("POST", CONFIG_MAPS, config_map("a"), code=201)
    for number in range(15):
        await api.clock.advance(1)
        await api("PATCH", f"{CONFIG_MAPS}/a", {"data": {f"k{number}": "1"}}, type_=MERGE, fieldManager=f"m{number}")
    shown = await api("GET", f"{CONFIG_MAPS}/a")
    assert len(shown["metadata"]["managedFields"]) == 10
    assert "ancient-changes/Update" in owners(shown)


applied = st.fixed_dictionaries(
    {
        "labels": st.dictionaries(st.sampled_from("ab"), st.sampled_from("xy")),
        "containers": st.lists(st.sampled_from("abc"), unique=True, min_size=1),
        "env": st.lists(st.sampled_from("pq"), unique=True),
        "manager": st.sampled_from(["m1", "m2"]),
    }
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(applies=st.lists(applied, min_size=1, max_size=6))
async def test_every_apply_is_idempotent_and_gives_what_it_says(applies: list[dict[str, Any]]) -> None:
    api = Client()
    await api.server.create_namespaces()
    for one in applies:
        object_ = deployment()
        object_["metadata"]["labels"] = one["labels"]
        object_["spec"]["template"]["spec"]["containers"] = [
            {"name": name, "image": "x:1", "env": [{"name": key, "value": "1"} for key in one["env"]]} for name in one["containers"]
        ]
        path = f"{DEPLOYMENTS}/web"
        first = await api.apply(path, object_, manager=one["manager"], force="true")
        assert await api.apply(path, object_, manager=one["manager"], force="true") == first
        assert one["labels"].items() <= (first["metadata"].get("labels") or {}).items()
        shown = {container["name"]: container for container in first["spec"]["template"]["spec"]["containers"]}
        for name in one["containers"]:
            assert set(one["env"]) <= {variable["name"] for variable in shown[name].get("env", [])}
