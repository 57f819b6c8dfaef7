"""What is pruned before dispatch, what a member keeps, what goes along."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shoal.api.meta import Ref
from shoal.domain.interpreting import dependencies, prune, retain
from support import build

SERVER_FILLED = {
    "creationTimestamp": "2026-01-01T00:00:00Z",
    "deletionTimestamp": "2026-01-01T00:00:00Z",
    "deletionGracePeriodSeconds": 30,
    "generation": 3,
    "managedFields": [],
    "resourceVersion": "1",
    "selfLink": "/x",
    "uid": "u",
    "ownerReferences": [{}],
    "finalizers": ["x/y"],
}


@pytest.mark.spec("AA22", "H04", "R6.5")
def test_prune_removes_what_the_server_filled_in():
    web = build.deployment(labels={"app": "web"})
    full = {**web, "metadata": {**web["metadata"], **SERVER_FILLED, "annotations": {"note": "x"}}, "status": {"replicas": 1}}
    assert prune(full) == {**web, "metadata": {"name": "web", "namespace": "shop", "labels": {"app": "web"}, "annotations": {"note": "x"}}}
    assert full["status"] == {"replicas": 1}


def annotated(manifest, **annotations):
    return {**manifest, "metadata": {**manifest["metadata"], "annotations": annotations}}


TOKEN = "kubernetes.io/service-account-token"


@pytest.mark.spec("H04", "R6.5")
@pytest.mark.parametrize(
    ("manifest", "path", "expected"),
    [
        pytest.param(
            annotated(build.deployment(), **{"deployment.kubernetes.io/revision": "3", "a": "b"}),
            ("metadata", "annotations"),
            {"a": "b"},
            id="revision",
        ),
        pytest.param(
            annotated(build.config_map(), **{"kubectl.kubernetes.io/last-applied-configuration": "{}"}),
            ("metadata", "annotations"),
            {},
            id="last-applied",
        ),
        pytest.param(
            build.manifest("v1", "Service", "s", spec={"clusterIP": "10.0.0.1", "clusterIPs": ["10.0.0.1"], "ports": []}),
            ("spec",),
            {"ports": []},
            id="service",
        ),
        pytest.param(
            build.manifest("v1", "Service", "s", spec={"clusterIP": "None", "clusterIPs": ["None"]}),
            ("spec",),
            {"clusterIP": "None", "clusterIPs": ["None"]},
            id="headless",
        ),
        pytest.param(
            build.manifest(
                "batch/v1",
                "Job",
                "j",
                spec={
                    "ttlSecondsAfterFinished": 5,
                    "selector": {"matchLabels": {}},
                    "template": {"metadata": {"labels": {"a": "b", "controller-uid": "u", "batch.kubernetes.io/job-name": "j"}}},
                },
            ),
            ("spec",),
            {"template": {"metadata": {"labels": {"a": "b"}}}},
            id="job",
        ),
        pytest.param(
            build.manifest("batch/v1", "Job", "j", spec={"manualSelector": True, "selector": {"matchLabels": {"a": "b"}}}),
            ("spec",),
            {"manualSelector": True, "selector": {"matchLabels": {"a": "b"}}},
            id="job-manual",
        ),
        pytest.param(
            build.manifest("v1", "ServiceAccount", "sa", secrets=[{"name": "sa-token-x"}, {"name": "mine"}]),
            ("secrets",),
            [{"name": "mine"}],
            id="account",
        ),
        pytest.param(
            build.manifest("v1", "ServiceAccount", "sa", secrets=[{"name": "sa-token-x"}]), ("secrets",), None, id="account-none-left"
        ),
        pytest.param(build.manifest("v1", "Secret", "s", type=TOKEN, data={"token": "x"}), ("data",), None, id="token"),
        pytest.param(build.manifest("v1", "Secret", "s", type="Opaque", data={"k": "x"}), ("data",), {"k": "x"}, id="secret"),
        pytest.param(
            annotated(build.manifest("v1", "PersistentVolumeClaim", "c"), **{"volume.kubernetes.io/selected-node": "n"}),
            ("metadata", "annotations"),
            {},
            id="claim",
        ),
    ],
)
def test_prune_by_kind(manifest, path, expected):
    value = prune(manifest)
    for key in path:
        value = value.get(key)
    assert value == expected


KINDS = st.sampled_from(
    [("apps/v1", "Deployment"), ("v1", "Service"), ("batch/v1", "Job"), ("v1", "Secret"), ("v1", "ServiceAccount"), ("x/v1", "Y")]
)
SPEC = st.dictionaries(
    st.sampled_from(["clusterIP", "selector", "ttlSecondsAfterFinished", "manualSelector", "replicas"]), st.sampled_from(["None", "1"])
)


@pytest.mark.spec("R6.5")
@given(KINDS, SPEC, st.dictionaries(st.sampled_from(sorted(SERVER_FILLED)), st.just("x")))
def test_pruning_twice_is_pruning_once(kind, spec, metadata):
    manifest = build.manifest(*kind, "x", spec=spec, status={})
    manifest["metadata"].update(metadata)
    assert prune(prune(manifest)) == prune(manifest)


RETAINED = {"resourcetemplate.karmada.io/retain-replicas": "true"}


@pytest.mark.spec("H08", "R7.3")
@pytest.mark.parametrize(
    ("desired", "live", "path", "expected"),
    [
        pytest.param(build.deployment(replicas=2), build.deployment(replicas=7), ("spec", "replicas"), 2, id="deployment"),
        pytest.param(
            build.deployment(replicas=2, labels=RETAINED), build.deployment(replicas=7), ("spec", "replicas"), 7, id="deployment-marked"
        ),
        pytest.param(
            build.manifest("v1", "Service", "s", spec={"ports": []}),
            build.manifest("v1", "Service", "s", spec={"clusterIP": "10.0.0.1", "healthCheckNodePort": 30000}),
            ("spec",),
            {"ports": [], "clusterIP": "10.0.0.1", "healthCheckNodePort": 30000},
            id="service",
        ),
        pytest.param(
            build.manifest("v1", "ServiceAccount", "s", secrets=[{"name": "a"}]),
            build.manifest("v1", "ServiceAccount", "s", secrets=[{"name": "a"}, {"name": "b"}]),
            ("secrets",),
            [{"name": "a"}, {"name": "b"}],
            id="account",
        ),
        pytest.param(
            build.manifest("v1", "PersistentVolumeClaim", "c", spec={"x": 1}),
            build.manifest("v1", "PersistentVolumeClaim", "c", spec={"volumeName": "v"}),
            ("spec",),
            {"x": 1, "volumeName": "v"},
            id="claim",
        ),
        pytest.param(
            build.manifest("v1", "PersistentVolume", "c", spec={}),
            build.manifest("v1", "PersistentVolume", "c", spec={"claimRef": {"name": "c"}}),
            ("spec", "claimRef"),
            {"name": "c"},
            id="volume",
        ),
        pytest.param(
            build.manifest("batch/v1", "Job", "j", spec={"template": {"metadata": {"labels": {"a": "b"}}}}),
            build.manifest(
                "batch/v1", "Job", "j", spec={"selector": {"s": 1}, "template": {"metadata": {"labels": {"controller-uid": "u"}}}}
            ),
            ("spec",),
            {"selector": {"s": 1}, "template": {"metadata": {"labels": {"controller-uid": "u"}}}},
            id="job",
        ),
        pytest.param(
            build.manifest("v1", "Secret", "s", type=TOKEN),
            build.manifest("v1", "Secret", "s", data={"token": "x"}),
            ("data",),
            {"token": "x"},
            id="token",
        ),
        pytest.param(
            build.manifest("v1", "Pod", "p", spec={"containers": [{"name": "a"}, {"name": "b"}]}),
            build.manifest("v1", "Pod", "p", spec={"nodeName": "n", "volumes": [1], "containers": [{"name": "a", "volumeMounts": [2]}]}),
            ("spec",),
            {"containers": [{"name": "a", "volumeMounts": [2]}, {"name": "b"}], "nodeName": "n", "volumes": [1]},
            id="pod",
        ),
        pytest.param(
            build.manifest("v1", "Secret", "s", type="Opaque", data={"k": "a"}),
            build.manifest("v1", "Secret", "s", data={"k": "b"}),
            ("data",),
            {"k": "a"},
            id="other-secret",
        ),
        pytest.param(
            build.manifest("v1", "Secret", "s", type=TOKEN),
            annotated(build.manifest("v1", "Secret", "s"), **{"kubernetes.io/service-account.uid": "u"}),
            ("metadata", "annotations"),
            {"kubernetes.io/service-account.uid": "u"},
            id="token-uid",
        ),
        pytest.param(build.config_map(a="1"), build.config_map(a="2"), ("data",), {"a": "1"}, id="no-rule"),
    ],
)
def test_retain(desired, live, path, expected):
    value = retain(desired, live)
    for key in path:
        value = value[key]
    assert value == expected


POD = {
    "serviceAccountName": "runner",
    "imagePullSecrets": [{"name": "pull"}],
    "volumes": [
        {"configMap": {"name": "cm-vol"}},
        {"secret": {"secretName": "s-vol"}},
        {"persistentVolumeClaim": {"claimName": "pvc"}},
        {"projected": {"sources": [{"configMap": {"name": "cm-proj"}}, {"secret": {"name": "s-proj"}}, {"serviceAccountToken": {}}]}},
        {"csi": {"nodePublishSecretRef": {"name": "s-csi"}}},
        {"cephfs": {"secretRef": {"name": "s-ceph"}}},
        {"emptyDir": {}},
    ],
    "containers": [
        {
            "env": [
                {"valueFrom": {"configMapKeyRef": {"name": "cm-env"}}},
                {"valueFrom": {"secretKeyRef": {"name": "s-env"}}},
                {"value": "x"},
            ],
            "envFrom": [{"configMapRef": {"name": "cm-from"}}, {"secretRef": {"name": "s-from"}}],
        }
    ],
    "initContainers": [{"envFrom": [{"configMapRef": {"name": "cm-init"}}]}],
}
NAMED = {
    "ConfigMap": {"cm-vol", "cm-proj", "cm-env", "cm-from", "cm-init"},
    "Secret": {"pull", "s-vol", "s-proj", "s-csi", "s-ceph", "s-env", "s-from"},
    "PersistentVolumeClaim": {"pvc"},
    "ServiceAccount": {"runner"},
}
EXPECTED = tuple(sorted(Ref("", kind, "shop", name) for kind, names in NAMED.items() for name in names))
TEMPLATED = {"template": {"spec": POD}}


@pytest.mark.spec("K01", "R7.6")
@pytest.mark.parametrize(
    ("manifest", "expected"),
    [
        pytest.param(build.manifest("apps/v1", "Deployment", "x", spec=TEMPLATED), EXPECTED, id="deployment"),
        pytest.param(build.manifest("apps/v1", "DaemonSet", "x", spec=TEMPLATED), EXPECTED, id="daemonset"),
        pytest.param(build.manifest("batch/v1", "Job", "x", spec=TEMPLATED), EXPECTED, id="job"),
        pytest.param(build.manifest("batch/v1", "CronJob", "x", spec={"jobTemplate": {"spec": TEMPLATED}}), EXPECTED, id="cronjob"),
        pytest.param(build.manifest("v1", "Pod", "x", spec=POD), EXPECTED, id="pod"),
        pytest.param(
            build.manifest("apps/v1", "StatefulSet", "x", spec={**TEMPLATED, "volumeClaimTemplates": [{"metadata": {"name": "pvc"}}]}),
            tuple(ref for ref in EXPECTED if ref.kind != "PersistentVolumeClaim"),
            id="statefulset-makes-its-claims",
        ),
        pytest.param(build.deployment(serviceAccountName="default"), (), id="default-account"),
        pytest.param(
            build.manifest("networking.k8s.io/v1", "Ingress", "i", spec={"tls": [{"secretName": "crt"}, {}]}),
            (Ref("", "Secret", "shop", "crt"),),
            id="ingress",
        ),
        pytest.param(
            build.manifest("multicluster.x-k8s.io/v1alpha1", "ServiceImport", "s"),
            (Ref("", "Service", "shop", "derived-s"),),
            id="service-import",
        ),
        pytest.param(build.config_map(), (), id="none"),
        pytest.param(
            {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "x"}, "spec": {"template": "odd"}}, (), id="odd-shape"
        ),
    ],
)
def test_dependencies(manifest, expected):
    assert dependencies(manifest) == expected


@pytest.mark.spec("R9.5")
@pytest.mark.parametrize(
    "manifest",
    [
        pytest.param(build.manifest("v1", "PersistentVolumeClaim", "c", spec={"storageClassName": "fast", "volumeName": "v"}), id="claim"),
        pytest.param(build.deployment(priorityClassName="high", runtimeClassName="gvisor", nodeName="n1"), id="pod"),
        pytest.param(build.manifest("networking.k8s.io/v1", "Ingress", "i", spec={"ingressClassName": "public"}), id="ingress"),
    ],
)
def test_cluster_scoped_objects_do_not_go_along(manifest):
    assert dependencies(manifest) == ()


@pytest.mark.spec("K07", "R7.6")
def test_dependencies_are_in_the_owners_namespace():
    assert {ref.namespace for ref in dependencies(build.deployment(ns="other", volumes=[{"configMap": {"name": "c"}}]))} == {"other"}
