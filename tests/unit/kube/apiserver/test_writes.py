"""`writes.py` through the door: create, replace, patch; what is refused, and what moves a revision."""

from __future__ import annotations

from typing import Any

import pytest

from shoal.api.meta import Manifest
from shoal.kube.apiserver import HUB, AdmitAll, Context, Options, StatusError
from shoal.kube.apiserver.admission import Operation
from support.apiserver import CONFIG_MAPS, DEPLOYMENTS, JSON_PATCH, MERGE, STRATEGIC, Client, config_map, deployment

EVENTS = "/api/v1/namespaces/default/events"
SECRETS = "/api/v1/namespaces/default/secrets"


async def test_a_new_object_gets_its_system_metadata(api: Client) -> None:
    sent = config_map("a", x="1")
    sent["metadata"] |= {"uid": "mine", "resourceVersion": "", "generation": 7, "creationTimestamp": None, "labels": {}}
    made = await api("POST", CONFIG_MAPS, sent, code=201)
    metadata = made["metadata"]
    assert metadata["uid"].startswith("uid-")
    assert metadata["namespace"] == "default"
    assert metadata["creationTimestamp"] == "2026-01-01T00:00:00Z"
    assert metadata["resourceVersion"] == str(api.store.revision())
    assert not {"generation", "labels"} & set(metadata)
    assert await api("GET", f"{CONFIG_MAPS}/a") == made


async def test_names_are_generated(api: Client) -> None:
    sent = config_map()
    sent["metadata"] = {"generateName": "job-"}
    one, other = await api("POST", CONFIG_MAPS, sent), await api("POST", CONFIG_MAPS, sent)
    assert one["metadata"]["name"] != other["metadata"]["name"]
    assert len(one["metadata"]["name"]) == len("job-") + 5


async def test_generation_counts_changes_of_the_spec_only(api: Client) -> None:
    await api("POST", DEPLOYMENTS, deployment())
    path = f"{DEPLOYMENTS}/web"
    steps: list[tuple[str, Any, int]] = [
        (path, {"metadata": {"labels": {"a": "b"}}}, 1),
        (path, {"spec": {"replicas": 3}}, 2),
        (path, {"spec": {"replicas": 3}}, 2),
        (path + "/status", {"status": {"replicas": 3}}, 2),
        (path + "/scale", {"spec": {"replicas": 4}}, 3),
    ]
    for where, patch, generation in steps:
        await api("PATCH", where, patch, type_=MERGE)
        assert (await api("GET", path))["metadata"]["generation"] == generation


@pytest.mark.parametrize(
    ("method", "path", "body", "type_"),
    [
        pytest.param("PATCH", "/web", {"spec": {"replicas": 1}}, MERGE, id="merge"),
        pytest.param(
            "PATCH",
            "/web",
            {"spec": {"template": {"spec": {"containers": [{"name": "app", "image": "nginx:1"}]}}}},
            STRATEGIC,
            id="strategic",
        ),
        pytest.param("PATCH", "/web", [{"op": "replace", "path": "/spec/replicas", "value": 1}], JSON_PATCH, id="json"),
        pytest.param("PUT", "/web", deployment(), "", id="put"),
        pytest.param("PATCH", "/web/scale", {"spec": {"replicas": 1}}, MERGE, id="scale"),
        pytest.param("PATCH", "/web/status", {"status": {}}, MERGE, id="status"),
    ],
)
async def test_a_write_that_changes_nothing_moves_no_revision(api: Client, method: str, path: str, body: Any, type_: str) -> None:
    await api("POST", DEPLOYMENTS, deployment())
    revision = api.store.revision()
    await api(method, DEPLOYMENTS + path, body, type_=type_)
    assert api.store.revision() == revision


async def test_status_and_spec_have_different_doors(api: Client) -> None:
    await api("POST", DEPLOYMENTS, {**deployment(), "status": {"replicas": 5}})
    path = f"{DEPLOYMENTS}/web"
    assert (await api("GET", path))["status"] == {}
    shown = await api("PATCH", path + "/status", {"status": {"replicas": 2}, "spec": {"replicas": 9}}, type_=MERGE)
    assert (shown["status"], shown["spec"]["replicas"]) == ({"replicas": 2}, 1)
    shown = await api("PUT", path, {**deployment(), "status": {"replicas": 7}})
    assert shown["status"] == {"replicas": 2}


async def test_put_on_an_old_version_is_a_conflict(api: Client) -> None:
    old = await api("POST", CONFIG_MAPS, config_map("a", x="1"))
    await api("PUT", f"{CONFIG_MAPS}/a", {**old, "data": {"x": "2"}})
    told = await api("PUT", f"{CONFIG_MAPS}/a", {**old, "data": {"x": "3"}}, code=409)
    assert told["message"] == (
        'Operation cannot be fulfilled on configmaps "a": the object has been modified; '
        "please apply your changes to the latest version and try again"
    )
    unconditional = {**old, "metadata": {"name": "a"}, "data": {"x": "4"}}
    assert (await api("PUT", f"{CONFIG_MAPS}/a", unconditional))["metadata"]["uid"] == old["metadata"]["uid"]


@pytest.mark.parametrize(
    ("method", "path", "body", "more", "code", "told"),
    [
        pytest.param("POST", CONFIG_MAPS, config_map("Bad_Name"), {}, 422, "metadata.name: Invalid value", id="bad-name"),
        pytest.param("POST", CONFIG_MAPS, {"metadata": {}}, {}, 422, "name or generateName is required", id="no-name"),
        pytest.param("POST", CONFIG_MAPS, [1], {}, 400, "unrecognized", id="no-object"),
        pytest.param("POST", CONFIG_MAPS, {**config_map(), "kind": "Secret"}, {}, 400, "cannot be handled as a ConfigMap", id="other-kind"),
        pytest.param("POST", CONFIG_MAPS, {**config_map(), "apiVersion": "v2"}, {}, 400, 'in version "v2"', id="other-version"),
        pytest.param("POST", "/api/v1/namespaces/nope/configmaps", config_map(), {}, 404, 'namespaces "nope" not found', id="no-namespace"),
        pytest.param(
            "POST",
            CONFIG_MAPS,
            {"metadata": {"name": "x", "namespace": "other"}},
            {},
            400,
            "namespace of the provided object",
            id="other-namespace",
        ),
        pytest.param("PUT", f"{CONFIG_MAPS}/a", config_map("b"), {}, 400, "does not match the name on the URL", id="put-other-name"),
        pytest.param("PUT", f"{CONFIG_MAPS}/nope", config_map("nope"), {}, 404, 'configmaps "nope" not found', id="put-missing"),
        pytest.param("PUT", f"{CONFIG_MAPS}/a", {"metadata": {"uid": "other"}}, {}, 409, "UID in precondition: other", id="put-other-uid"),
        pytest.param("PUT", CONFIG_MAPS, config_map(), {}, 405, "does not allow this method", id="put-collection"),
        pytest.param("POST", f"{CONFIG_MAPS}/a", config_map(), {}, 405, "does not allow this method", id="post-object"),
        pytest.param("POST", "/api/v1/configmaps", config_map(), {}, 405, "does not allow this method", id="post-without-namespace"),
        pytest.param("POST", CONFIG_MAPS, b"x", {"type_": "text/csv"}, 415, "unknown format", id="unknown-type"),
        pytest.param("PATCH", f"{CONFIG_MAPS}/a", {}, {"type_": "application/json"}, 415, "unknown format", id="unknown-patch"),
        pytest.param(
            "PATCH", f"{CONFIG_MAPS}/a", {"data": {"x": 1}}, {"type_": MERGE}, 422, "cannot unmarshal number", id="patch-wrong-type"
        ),
        pytest.param(
            "PATCH", f"{CONFIG_MAPS}/a", {"metadata": {"resourceVersion": "1"}}, {"type_": MERGE}, 409, "modified", id="patch-old-version"
        ),
        pytest.param("PATCH", f"{CONFIG_MAPS}/a", {}, {"type_": MERGE, "force": "true"}, 422, "force: Forbidden", id="force-without-apply"),
        pytest.param("POST", CONFIG_MAPS, config_map("x"), {"dryRun": "Some"}, 422, "dryRun: Unsupported value", id="dry-run-of-some"),
        pytest.param(
            "POST", CONFIG_MAPS, config_map("x"), {"fieldValidation": "Maybe"}, 422, "fieldValidation: Unsupported", id="validation"
        ),
        pytest.param(
            "POST", CONFIG_MAPS, {**config_map("x"), "foo": 1}, {"fieldValidation": "Strict"}, 400, 'unknown field "foo"', id="strict"
        ),
        pytest.param(
            "POST",
            EVENTS,
            {"metadata": {"name": "x"}, "involvedObject": {}, "message": "v" * 1_600_000},
            {},
            413,
            "too large",
            id="too-large",
        ),
        pytest.param("POST", CONFIG_MAPS, b"x" * 3_200_000, {}, 413, "too large", id="request-too-large"),
    ],
)
async def test_writes_that_are_refused(api: Client, method: str, path: str, body: Any, more: dict[str, Any], code: int, told: str) -> None:
    await api("POST", CONFIG_MAPS, config_map("a"))
    revision = api.store.revision()
    answer = await api(method, path, body, code=code, **more)
    assert told.lower() in answer["message"].lower()
    assert (answer["kind"], answer["code"], answer["status"]) == ("Status", code, "Failure")
    assert api.store.revision() == revision


async def test_unknown_fields_are_warned_of_and_dropped(api: Client) -> None:
    answer = await api.raw("POST", CONFIG_MAPS, {**config_map("a"), "foo": 1, "bar": {"baz": 2}})
    assert answer.status == 201
    assert answer.headers["warning"] == '299 - "unknown field \\"foo\\"", 299 - "unknown field \\"bar\\""'
    assert b"foo" not in (await api.raw("GET", f"{CONFIG_MAPS}/a")).body


async def test_dry_run_answers_as_if_and_stores_nothing(api: Client) -> None:
    made = await api("POST", CONFIG_MAPS, config_map("a", x="1"), dryRun="All", code=201)
    assert "uid" in made["metadata"]
    await api("GET", f"{CONFIG_MAPS}/a", code=404)
    await api("POST", CONFIG_MAPS, config_map("a", x="1"))
    revision = api.store.revision()
    shown = await api("PATCH", f"{CONFIG_MAPS}/a", {"data": {"x": "2"}}, type_=MERGE, dryRun="All")
    assert shown["data"] == {"x": "2"}
    await api("DELETE", f"{CONFIG_MAPS}/a", dryRun="All")
    assert api.store.revision() == revision


async def test_text_of_secrets_is_encoded(api: Client) -> None:
    made = await api("POST", SECRETS, {"metadata": {"name": "s"}, "stringData": {"a": "b"}, "data": {"c": "ZA=="}})
    assert (made["data"], made["type"]) == ({"a": "Yg==", "c": "ZA=="}, "Opaque")
    assert "stringData" not in made


@pytest.mark.spec("R4.21", "R7.2")
async def test_the_hub_keeps_what_users_wrote() -> None:
    api = Client(options=HUB)
    await api.server.create_namespaces()
    made = await api("POST", DEPLOYMENTS, deployment())
    assert made["spec"] == {**deployment()["spec"], "replicas": 1}
    job = {
        "metadata": {"name": "j"},
        "spec": {"template": {"spec": {"restartPolicy": "Never", "containers": [{"name": "a", "image": "b"}]}}},
    }
    made = await api("POST", "/apis/batch/v1/namespaces/default/jobs", job)
    assert made["spec"] == {**job["spec"], "parallelism": 1, "completions": 1}
    service = {"metadata": {"name": "s"}, "spec": {"ports": [{"port": 80}]}}
    made = await api("POST", "/api/v1/namespaces/default/services", service)
    assert made["spec"] == service["spec"]


class Rules(AdmitAll):
    """Marks what is written, drops a label of the system, refuses one name, keeps what is deleted."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, str, bool]] = []

    def receive(self, sent: Manifest, *, context: Context) -> Manifest:
        labels = {key: value for key, value in (sent["metadata"].get("labels") or {}).items() if not key.startswith("system/")}
        return {**sent, "metadata": {**sent["metadata"], "labels": labels}}

    async def admit(self, operation: Operation, old: Manifest | None, new: Manifest | None, *, context: Context) -> Manifest:
        self.seen.append((operation, context.user, context.dry_run))
        if context.ref.name == "forbidden":
            raise StatusError(403, "Forbidden", "not this one")
        chosen = await super().admit(operation, old, new, context=context)
        finalizers = ["shoal.dev/here"] if operation == "DELETE" else chosen["metadata"].get("finalizers")
        metadata = {**chosen["metadata"], "annotations": {"marked": "yes"}}
        return {**chosen, "metadata": metadata | ({"finalizers": finalizers} if finalizers else {})}


async def test_admission_changes_refuses_and_keeps() -> None:
    rules = Rules()
    api = Client(admission=rules)
    await api("POST", "/api/v1/namespaces", {"metadata": {"name": "default"}})
    sent = config_map("a", k="v")
    sent["metadata"]["labels"] = {"system/x": "1", "mine": "2"}
    made = await api.apply(f"{CONFIG_MAPS}/a", sent, code=201)
    assert (made["metadata"]["labels"], made["metadata"]["annotations"]) == ({"mine": "2"}, {"marked": "yes"})
    assert made["metadata"]["managedFields"][0]["fieldsV1"] == {"f:data": {"f:k": {}}, "f:metadata": {"f:labels": {"f:mine": {}}}}
    assert await api.apply(f"{CONFIG_MAPS}/a", sent) == made
    told = await api("POST", CONFIG_MAPS, config_map("forbidden"), code=403)
    assert told["message"] == "not this one"
    kept = await api("DELETE", f"{CONFIG_MAPS}/a")
    assert (kept["metadata"]["finalizers"], "deletionTimestamp" in kept["metadata"]) == (["shoal.dev/here"], True)
    assert [operation for operation, _, _ in rules.seen] == ["CREATE", "CREATE", "CREATE", "DELETE"]


async def test_what_must_not_change(api: Client) -> None:
    await api("POST", DEPLOYMENTS, deployment())
    selector = {"spec": {"selector": {"matchLabels": {"app": "other"}}, "template": {"metadata": {"labels": {"app": "other"}}}}}
    told = await api("PATCH", f"{DEPLOYMENTS}/web", selector, type_=MERGE, code=422)
    assert told["details"]["causes"][0]["field"] == "spec.selector"
    assert "field is immutable" in told["message"]


async def test_a_namespace_need_not_exist_where_that_is_switched_off() -> None:
    api = Client(options=Options(namespace_must_exist=False))
    await api("POST", "/api/v1/namespaces/nowhere/configmaps", config_map(), code=201)


async def test_scale_shows_and_sets_replicas(api: Client) -> None:
    await api("POST", DEPLOYMENTS, deployment(replicas=2))
    scale = await api("GET", f"{DEPLOYMENTS}/web/scale")
    assert (scale["kind"], scale["spec"], scale["status"]) == ("Scale", {"replicas": 2}, {"replicas": 0, "selector": "app=web"})
    scale["spec"]["replicas"] = 5
    assert (await api("PUT", f"{DEPLOYMENTS}/web/scale", scale))["spec"] == {"replicas": 5}
    assert (await api("GET", f"{DEPLOYMENTS}/web"))["spec"]["replicas"] == 5
    told = await api("PATCH", f"{DEPLOYMENTS}/web/scale", {"spec": {"replicas": -1}}, type_=MERGE, code=422)
    assert told["message"].startswith('Scale.autoscaling "web" is invalid: spec.replicas')
    await api("PUT", f"{DEPLOYMENTS}/web/scale", {**scale, "metadata": {"resourceVersion": "1"}}, code=409)
