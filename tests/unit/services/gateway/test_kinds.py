"""The kinds of the hub."""

import pytest

from shoal.api.meta import Ref
from shoal_gateway import kinds


def test_every_kind_is_served_with_its_short_name() -> None:
    registry = kinds.registry()
    shorts = {one.kind: one.short_names for one in registry if one.group.endswith(("karmada.io", "shoal.dev"))}
    assert shorts["PropagationPolicy"] == ("pp",)
    assert shorts["ClusterOverridePolicy"] == ("cop",)
    assert {"Cluster", "ResourceBinding", "Work", "FailoverPolicy", "Change", "Application"} <= shorts.keys()
    assert registry.of("apps", "Deployment") is not None


def test_schemas_name_the_fields_of_the_structs() -> None:
    schema = next(one for one in kinds.ADDED if one.kind == "PropagationPolicy").schemas["v1alpha1"]
    assert isinstance(schema, dict)
    placement = schema["$defs"]["Placement"]["properties"]
    assert placement["clusterAffinity"] == {"$ref": "#/$defs/ClusterAffinity"}
    assert "default" not in placement["clusterTolerations"]


@pytest.mark.parametrize(
    ("ref", "template"),
    [
        pytest.param(Ref("apps", "Deployment", "shop", "web"), True, id="workload"),
        pytest.param(Ref("", "Namespace", "", "shop"), True, id="namespace"),
        pytest.param(Ref("", "Namespace", "", "kube-system"), False, id="system-namespace"),
        pytest.param(Ref("", "ConfigMap", "kube-system", "x"), False, id="in-kube-system"),
        pytest.param(Ref("", "ConfigMap", "karmada-es-m1", "x"), False, id="in-an-execution-namespace"),
        pytest.param(Ref("policy.karmada.io", "PropagationPolicy", "shop", "p"), False, id="policy"),
        pytest.param(Ref("rbac.authorization.k8s.io", "ClusterRole", "", "x"), True, id="cluster-scoped"),
    ],
)
@pytest.mark.spec("R1.12")
def test_templates(ref: Ref, template: bool) -> None:
    assert kinds.is_template(ref) is template


@pytest.mark.parametrize(
    ("api_version", "kind", "kept"),
    [
        pytest.param("networking.karmada.io/v1alpha1", "MultiClusterService", True, id="no-service-follows"),
        pytest.param("autoscaling.karmada.io/v1alpha1", "FederatedHPA", False, id="replicas-follow-usage"),
        pytest.param("policy.karmada.io/v1alpha1", "FederatedResourceQuota", False, id="quotas-are-enforced"),
        pytest.param("apps/v1", "Deployment", False, id="workload"),
    ],
)
def test_an_object_that_nothing_acts_upon_says_so(api_version: str, kind: str, kept: bool) -> None:
    metadata = {"name": "x", "creationTimestamp": "2026-01-01T00:00:00Z"}
    status = kinds.inert_status({"apiVersion": api_version, "kind": kind, "metadata": metadata})
    assert (status is not None) == kept
    assert status is None or status["conditions"][0]["lastTransitionTime"] == "2026-01-01T00:00:00Z"


def test_kinds_that_nothing_acts_upon_warn() -> None:
    assert {(one.group, one.kind) for one in kinds.ADDED if one.warning} == kinds.INERT.keys()
