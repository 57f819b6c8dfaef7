"""What a deploy event may be, and what is said of one that may not."""

from typing import Any

import msgspec
import pytest

from shoal.api.errors import DeployRefused
from shoal.messages.catalogue import ApplicationHead, DeployData
from shoal_gateway import deploy_event

CONFIG = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c", "namespace": "shop"}}


def event(**fields: Any) -> bytes:
    data = {"application": "shop", "manifests": [CONFIG]} | fields.pop("data", {})
    return msgspec.json.encode({"id": "1", "source": "ci", "data": data} | fields)


def test_a_whole_event_is_read() -> None:
    found = deploy_event.read_event(event(data={"version": "1", "images": {"web": "x"}}), source="ci")
    assert (found.id, found.source, found.data.version, found.data.images) == ("1", "ci", "1", {"web": "x"})


@pytest.mark.parametrize(
    ("raw", "reason", "told"),
    [
        pytest.param(b"{", "InvalidEvent", "cannot be read", id="no-json"),
        pytest.param(b'{"source": "ci", "data": {"application": "a"}}', "InvalidEvent", "`id`", id="no-id"),
        pytest.param(event(id=""), "InvalidEvent", "idempotent", id="empty-id"),
        pytest.param(event(type="other"), "InvalidEvent", "dev.shoal.deploy.v1", id="type"),
        pytest.param(event(source="gitlab"), "InvalidEvent", "make them the same", id="another-source"),
        pytest.param(event(data={"application": "-x"}), "InvalidEvent", "label", id="application"),
        pytest.param(event(data={"manifests": []}), "InvalidEvent", "nothing to do", id="nothing"),
        pytest.param(event(data={"images": {"web": ""}}), "InvalidEvent", "web", id="empty-image"),
        pytest.param(event(source="s" * 200), "InvalidEvent", "make them the same", id="long-source"),
        pytest.param(b" " * 2048, "TooLarge", "2048 bytes", id="too-large"),
    ],
)
def test_refused(raw: bytes, reason: str, told: str) -> None:
    with pytest.raises(DeployRefused) as error:
        deploy_event.read_event(raw, source="ci", bytes_max=2000)
    assert error.value.reason == reason
    assert told in str(error.value)


def test_manifests_of_lists_and_texts() -> None:
    listed = DeployData(application="a", manifests=[CONFIG, {"apiVersion": "v1", "kind": "List", "items": [CONFIG, CONFIG]}])
    assert [where for where, _ in deploy_event.manifests_of(listed)] == ["manifests[0]", "manifests[1].items[0]", "manifests[1].items[1]"]
    text = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}\n---\n---\napiVersion: v1\nkind: Secret\nmetadata: {name: s}\n"
    found = deploy_event.manifests_of(DeployData(application="a", manifests=text))
    assert [(where, one["kind"]) for where, one in found] == [("document 1", "ConfigMap"), ("document 2", "Secret")]


@pytest.mark.parametrize(
    ("manifests", "told"),
    [
        pytest.param("a: [\n", "line", id="broken-yaml"),
        pytest.param("- 1\n", "document 1 is not an object", id="no-object"),
        pytest.param([{"kind": "X", "metadata": {"name": "x"}}], "manifests[0] has no apiVersion", id="no-api-version"),
        pytest.param([{"apiVersion": "v1", "kind": "X", "metadata": {}}], "manifests[0] (X) has no metadata.name", id="no-name"),
    ],
)
def test_manifests_that_are_none(manifests: Any, told: str) -> None:
    with pytest.raises(DeployRefused) as error:
        deploy_event.manifests_of(DeployData(application="a", manifests=manifests))
    assert error.value.reason == "InvalidManifest"
    assert told in str(error.value)


@pytest.mark.parametrize(
    ("text", "parsed"),
    [
        pytest.param("apps/v1/Deployment/shop/web", ("apps/v1", "Deployment", "shop", "web"), id="group"),
        pytest.param("v1/ConfigMap/shop/c", ("v1", "ConfigMap", "shop", "c"), id="core"),
        pytest.param("v1/Namespace/shop", ("v1", "Namespace", "", "shop"), id="cluster-scoped"),
        pytest.param(
            "rbac.authorization.k8s.io/v1/ClusterRole/_/x", ("rbac.authorization.k8s.io/v1", "ClusterRole", "", "x"), id="underscore"
        ),
        pytest.param("Deployment", None, id="kind-alone"),
        pytest.param("apps/v1/Deployment//web", None, id="empty-part"),
        pytest.param("", None, id="empty"),
    ],
)
def test_parse_ref(text: str, parsed: tuple[str, str, str, str] | None) -> None:
    if parsed is not None:
        assert deploy_event.parse_ref(text) == parsed
        return
    with pytest.raises(DeployRefused):
        deploy_event.parse_ref(text)


@pytest.mark.parametrize(
    ("live", "data", "refused"),
    [
        pytest.param(None, {"version": "1"}, False, id="first"),
        pytest.param("2", {"version": "1"}, True, id="older"),
        pytest.param("2", {"version": "1", "rollback": True}, False, id="rollback"),
        pytest.param("2", {"version": "2"}, False, id="same"),
        pytest.param("2", {"version": ""}, False, id="none"),
        pytest.param("abc", {"version": "abd"}, False, id="unknown-order"),
    ],
)
def test_versions(live: str | None, data: dict[str, Any], refused: bool) -> None:
    head = ApplicationHead(application="a", version=live, change="c") if live else None
    wanted = DeployData(application="a", **data)
    if not refused:
        deploy_event.check_version(head, wanted)
        return
    with pytest.raises(DeployRefused, match="rollback: true"):
        deploy_event.check_version(head, wanted)


def test_the_digest_does_not_depend_on_the_order_of_keys() -> None:
    one = DeployData(application="a", images={"x": "1", "y": "2"})
    other = DeployData(application="a", images={"y": "2", "x": "1"})
    assert deploy_event.digest_of(one) == deploy_event.digest_of(other)
    assert deploy_event.digest_of(one) != deploy_event.digest_of(DeployData(application="a", images={"x": "2"}))
    assert deploy_event.record_ref("a", "b") != deploy_event.record_ref("ab", "")
