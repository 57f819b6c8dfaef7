"""What holds for every object, and the kinds with few rules."""

from __future__ import annotations

from typing import Any

import pytest

from shoal.domain.admission import admit, refuse_deletion
from support import build


def refusals(manifest: Any, old: Any = None) -> list[str]:
    return [f"{violation.path}: {violation.message}" for violation in admit(manifest, old)[1]]


def test_any_other_kind_passes_as_it_is():
    widget = build.manifest("example.com/v1", "Widget", "w", spec={"anything": [1, None]})
    assert admit(widget) == (widget, ())
    assert refusals({"apiVersion": "v1", "kind": "Pod", "metadata": {"generateName": "x-"}}) == []
    assert refusals(build.manifest("rbac.authorization.k8s.io/v1", "ClusterRole", "system:reader", ns="")) == []


def marked(**metadata: Any) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c", "namespace": "shop"} | metadata}


@pytest.mark.parametrize(
    ("manifest", "refusal"),
    [
        pytest.param(["x"], ": has to be a map with apiVersion, kind and metadata", id="no-map"),
        pytest.param(
            {"kind": "X", "metadata": {"name": "x"}},
            "apiVersion: Required value: write the group and version, such as apps/v1",
            id="no-version",
        ),
        pytest.param({"apiVersion": "v1", "metadata": {"name": "x"}}, "kind: Required value: write the kind", id="no-kind"),
        pytest.param({"apiVersion": "v1", "kind": "X"}, "metadata: Required value: a map with the object's name", id="no-metadata"),
        pytest.param(marked(name=""), "metadata.name: Required value: name or generateName is required", id="no-name"),
        pytest.param(marked(name=7), "metadata.name: has to be a text; put it in quotes", id="number-as-name"),
        pytest.param(marked(name="a/b"), "metadata.name: may not be '.' or '..' and may not contain '/' or '%'", id="slash"),
        pytest.param(
            marked(namespace="Shop"),
            "metadata.namespace: has to be 1 to 63 lower case letters, digits or '-', with a letter or digit at both ends",
            id="namespace",
        ),
        pytest.param(marked(labels={"a": 1}), "metadata.labels[a]: label value has to be a text; put it in quotes", id="number-as-label"),
        pytest.param(marked(labels=["a"]), "metadata.labels: has to be a map of texts", id="labels-as-list"),
        pytest.param(
            marked(annotations={"a": True}), "metadata.annotations[a]: annotation value has to be a text; put it in quotes", id="bool"
        ),
        pytest.param(
            marked(annotations={"a": "x" * 262_144}),
            "metadata.annotations: Too long: all annotations together may have at most 262144 bytes",
            id="annotations",
        ),
        pytest.param(
            marked(name="ü" * 200),
            "metadata.name: Too long: group, kind, namespace and name together take 1281 bytes of 1024",
            id="name-as-subject",
        ),
    ],
)
def test_refused(manifest, refusal):
    assert refusals(manifest) == [refusal]


# "object 1.5 MiB" (architecture, Entry)
def test_the_largest_object():
    base = build.config_map("c", key="")
    room = 1_572_864 - len(
        '{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"c","uid":"uid-configmap-c","namespace":"shop"},"data":{"key":""}}'
    )
    assert refusals(base | {"data": {"key": "x" * room}}) == []
    assert refusals(base | {"data": {"key": "x" * (room + 1)}}) == [
        ": Too long: the object has 1572865 bytes as JSON, the limit is 1572864; split it or move data out of it"
    ]


def test_namespaces_are_dns_labels():
    assert refusals(build.namespace("shop")) == []
    assert refusals(build.namespace("shop.eu")) == [
        "metadata.name: has to be 1 to 63 lower case letters, digits or '-', with a letter or digit at both ends"
    ]


def failover_policy(**spec: Any) -> dict[str, Any]:
    return {"apiVersion": "shoal.dev/v1alpha1", "kind": "FailoverPolicy", "metadata": {"name": "f"}, "spec": spec}


@pytest.mark.parametrize(
    ("spec", "refusal"),
    [
        pytest.param({"prefer": ["SameRegion"], "purgeMode": "Directly"}, None, id="admitted"),
        pytest.param({}, None, id="all-defaults"),
        pytest.param(
            {"prefer": ["Near"]}, "spec.prefer[0]: Unsupported value: 'Near'; write one of SameRegion, SameProvider, Any", id="tier"
        ),
        pytest.param({"prefer": ["Any", "Any"]}, "spec.prefer[1]: Duplicate value: Any is listed before", id="twice"),
        pytest.param({"prefer": []}, "spec.prefer: Required value: at least one of SameRegion, SameProvider, Any", id="none"),
        pytest.param(
            {"purgeMode": "Never"}, "spec.purgeMode: Unsupported value: 'Never'; write one of Directly, Gracefully", id="purge-mode"
        ),
    ],
)
def test_failover_policy(spec, refusal):
    assert refusals(failover_policy(**spec)) == ([refusal] if refusal else [])


def test_deep_nesting_is_bounded():
    nested: Any = {}
    for _ in range(200):
        nested = {"labelSelector": nested}
    assert len(refusals(failover_policy(resourceSelectors=[nested]))) >= 1


# "Label value exactly `Always` -> delete refused with a clear message; other values do nothing." (R15.11)
@pytest.mark.spec("W04", "AA23", "R15.11")
@pytest.mark.parametrize(("value", "refused"), [("Always", True), ("always", False), ("", False)])
def test_deletion_protection(value, refused):
    manifest = build.namespace(labels={"resourcetemplate.karmada.io/deletion-protected": value})
    assert bool(refuse_deletion(manifest)) == refused
    assert refuse_deletion(build.namespace()) == ""
