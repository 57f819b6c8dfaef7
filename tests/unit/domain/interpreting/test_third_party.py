"""Kinds of other projects: which operations they have, replicas or components, what a member keeps, what goes along (I02)."""

from __future__ import annotations

import pytest

from shoal.api.meta import Ref
from shoal.domain.interpreting import dependencies, images, interpreter_of, replicas_of, retain, revise
from support import build

GI = 1024**3


def of(api_version, kind, *, status=None, generation=2, **spec):
    made = build.manifest(api_version, kind, "x", spec=spec)
    return {**made, "metadata": {**made["metadata"], "generation": generation}, **({"status": status} if status is not None else {})}


def pod(image="app:1", *, cpu="1", **fields):
    return {"spec": {"containers": [{"name": "main", "image": image, "resources": {"requests": {"cpu": cpu}}}], **fields}}


KRUISE, RAY, VOLCANO, KUBEFLOW = "apps.kruise.io/v1alpha1", "ray.io/v1", "batch.volcano.sh/v1alpha1", "kubeflow.org/v1"
FLINK, SPARK, ARGO, KYVERNO = "flink.apache.org/v1beta1", "sparkoperator.k8s.io/v1beta2", "argoproj.io/v1alpha1", "kyverno.io/v1"
HELM, KUSTOMIZE, SOURCE = "helm.toolkit.fluxcd.io/v2beta1", "kustomize.toolkit.fluxcd.io/v1", "source.toolkit.fluxcd.io/v1"


@pytest.mark.spec("I02")
@pytest.mark.parametrize(
    ("api_version", "kind", "operations"),
    [
        pytest.param(KRUISE, "CloneSet", "R V A S H D", id="cloneset"),
        pytest.param("apps.kruise.io/v1beta1", "StatefulSet", "R V A S H D", id="kruise-statefulset"),
        pytest.param(KRUISE, "DaemonSet", "A S H D", id="kruise-daemonset"),
        pytest.param(KRUISE, "UnitedDeployment", "R V A S H D", id="united-deployment"),
        pytest.param(KRUISE, "SidecarSet", "A S H", id="sidecar-set"),
        pytest.param(KRUISE, "BroadcastJob", "R V T A S H D", id="broadcast-job"),
        pytest.param(KRUISE, "AdvancedCronJob", "A D", id="advanced-cron-job"),
        pytest.param(ARGO, "Workflow", "R V T H D", id="workflow"),
        pytest.param(VOLCANO, "Job", "R A S H D", id="volcano-job"),
        pytest.param(FLINK, "FlinkDeployment", "R A S H", id="flink"),
        pytest.param(KUBEFLOW, "PyTorchJob", "R A S H D", id="pytorch-job"),
        pytest.param(KUBEFLOW, "TFJob", "R A S H D", id="tf-job"),
        pytest.param("kubeflow.org/v2beta1", "MPIJob", "R A S H D", id="mpi-job"),
        pytest.param(KUBEFLOW, "Notebook", "R A S H D", id="notebook"),
        pytest.param(RAY, "RayCluster", "R A H D", id="ray-cluster"),
        pytest.param(RAY, "RayJob", "R A H D", id="ray-job"),
        pytest.param(RAY, "RayService", "R A H D", id="ray-service"),
        pytest.param(SPARK, "SparkApplication", "R A S H D", id="spark"),
        pytest.param(KYVERNO, "Policy", "A S H", id="kyverno-policy"),
        pytest.param(KYVERNO, "ClusterPolicy", "A S H", id="kyverno-cluster-policy"),
        pytest.param(HELM, "HelmRelease", "T A S H D", id="helm-release"),
        pytest.param(KUSTOMIZE, "Kustomization", "T A S H D", id="kustomization"),
        *(
            pytest.param(SOURCE, kind, "T A S H D", id=kind.lower())
            for kind in ("GitRepository", "Bucket", "HelmChart", "HelmRepository", "OCIRepository")
        ),
    ],
)
def test_which_operations_a_kind_has(api_version, kind, operations):
    """R replicas or components, V revise, T retain, A aggregate, S reflect, H health, D dependencies."""
    rules = interpreter_of({"apiVersion": api_version, "kind": kind})
    by_letter = {
        "R": rules.replicas,
        "V": rules.revise,
        "T": rules.retain,
        "A": rules.aggregate,
        "S": rules.reflect,
        "H": rules.health,
        "D": rules.dependencies,
    }
    assert " ".join(letter for letter, rule in by_letter.items() if rule) == operations


@pytest.mark.spec("I02", "R7.2")
@pytest.mark.parametrize(
    ("manifest", "count", "path"),
    [
        pytest.param(of(KRUISE, "CloneSet", replicas=3, template=pod(cpu="2")), 3, ("spec", "replicas"), id="cloneset"),
        pytest.param(
            of("apps.kruise.io/v1beta1", "StatefulSet", replicas=2, template=pod(cpu="2")), 2, ("spec", "replicas"), id="stateful"
        ),
        pytest.param(
            of(KRUISE, "UnitedDeployment", replicas=4, template={"cloneSetTemplate": {"spec": {"template": pod(cpu="2")}}}),
            4,
            ("spec", "replicas"),
            id="united",
        ),
        pytest.param(of(KRUISE, "BroadcastJob", parallelism=2, template=pod(cpu="2")), 2, ("spec", "parallelism"), id="broadcast"),
        pytest.param(of(KRUISE, "BroadcastJob", parallelism="20%", template=pod(cpu="2")), 1, ("spec", "parallelism"), id="percentage"),
    ],
)
def test_replicas(manifest, count, path):
    found = replicas_of(manifest)
    assert (found.count, found.requirements.resource_request, found.components) == (count, {"cpu": "2"}, ())
    revised = revise(manifest, 7)
    for key in path:
        revised = revised[key]
    assert revised == 7


def test_a_workflow_divides_its_parallelism():
    workflow = of(ARGO, "Workflow", parallelism=5, nodeSelector={"disk": "ssd"}, serviceAccountName="runner")
    assert replicas_of(workflow).count == 5
    assert replicas_of(workflow).requirements.node_claim.node_selector == {"disk": "ssd"}
    assert replicas_of(of(ARGO, "Workflow")).count == 1
    assert revise(workflow, 2)["spec"]["parallelism"] == 2


WORKERS = [
    {"groupName": "cpu", "replicas": 2, "template": pod(cpu="2")},
    {"replicas": 3, "numOfHosts": 4, "template": pod(cpu="4")},
    {"groupName": "auto", "minReplicas": 1, "maxReplicas": 9, "template": pod(cpu="8")},
]
RAY_SPEC = {"headGroupSpec": {"template": pod(cpu="1")}, "workerGroupSpecs": WORKERS}
RAY_GROUPS = [("ray-head", 1, "1"), ("cpu", 2, "2"), ("worker-2", 12, "4"), ("auto", 1, "8")]


@pytest.mark.spec("I02", "D15")
@pytest.mark.parametrize(
    ("manifest", "expected"),
    [
        pytest.param(of(RAY, "RayCluster", **RAY_SPEC), RAY_GROUPS, id="ray-cluster"),
        pytest.param(of(RAY, "RayJob", rayClusterSpec=RAY_SPEC), RAY_GROUPS, id="ray-job"),
        pytest.param(of(RAY, "RayJob", clusterSelector={"ray.io/cluster": "other"}), [], id="ray-job-in-another-cluster"),
        pytest.param(of(RAY, "RayService", rayClusterConfig=RAY_SPEC), RAY_GROUPS, id="ray-service"),
        pytest.param(
            of(
                VOLCANO,
                "Job",
                tasks=[
                    {"name": "master", "replicas": 1, "template": pod(cpu="1")},
                    {"name": "worker", "replicas": 5, "minAvailable": 3, "template": pod(cpu="2")},
                    {"template": pod(cpu="3")},
                ],
            ),
            [("master", 1, "1"), ("worker", 3, "2"), ("task-3", 1, "3")],
            id="volcano-needs-what-starts-together",
        ),
        pytest.param(
            of(
                KUBEFLOW,
                "PyTorchJob",
                pytorchReplicaSpecs={"Worker": {"replicas": 3, "template": pod(cpu="2")}, "Master": {"template": pod()}},
            ),
            [("master", 1, "1"), ("worker", 3, "2")],
            id="pytorch",
        ),
        pytest.param(
            of(KUBEFLOW, "TFJob", tfReplicaSpecs={"PS": {"replicas": 2, "template": pod()}, "Extra": {"template": pod()}}),
            [("ps", 2, "1"), ("extra", 1, "1")],
            id="tensorflow",
        ),
        pytest.param(
            of("kubeflow.org/v2beta1", "MPIJob", mpiReplicaSpecs={"Worker": {"template": pod()}, "Launcher": {"template": pod()}}),
            [("launcher", 1, "1"), ("worker", 0, "1")],
            id="mpi-workers-have-no-default",
        ),
    ],
)
def test_components(manifest, expected):
    found = replicas_of(manifest)
    assert found.count == 0
    assert [(item.name, item.replicas, item.replica_requirements.resource_request["cpu"]) for item in found.components] == expected
    assert all(item.replica_requirements.namespace == "shop" for item in found.components)
    assert revise(manifest, 5) == manifest  # Placed as a unit.


def flink(**spec):
    parts = {"jobManager": {"resource": {"cpu": 1, "memory": "2048m"}}, "taskManager": {"resource": {"cpu": 0.5, "memory": "1g"}}}
    return of(FLINK, "FlinkDeployment", **{**parts, **spec})


@pytest.mark.spec("I02", "D15")
@pytest.mark.parametrize(
    ("spec", "task_managers"),
    [
        pytest.param({}, 1, id="default"),
        pytest.param({"job": {"parallelism": 5}, "flinkConfiguration": {"taskmanager.numberOfTaskSlots": "2"}}, 3, id="from-parallelism"),
        pytest.param({"job": {"parallelism": 5}, "flinkConfiguration": {"taskmanager.numberOfTaskSlots": "0"}}, 1, id="no-slots"),
        pytest.param({"taskManager": {"replicas": 4}, "job": {"parallelism": 5}}, 4, id="given"),
    ],
)
def test_flink_task_managers(spec, task_managers):
    jobs, tasks = replicas_of(flink(**spec)).components
    assert (jobs.name, jobs.replicas, tasks.name, tasks.replicas) == ("jobmanager", 1, "taskmanager", task_managers)


@pytest.mark.spec("I02", "D15")
def test_flink_requirements():
    jobs, tasks = replicas_of(flink(podTemplate={"spec": {"nodeSelector": {"disk": "ssd"}, "priorityClassName": "high"}})).components
    assert jobs.replica_requirements.resource_request == {"cpu": "1", "memory": str(2 * GI)}
    assert tasks.replica_requirements.resource_request == {"cpu": "500m", "memory": str(GI)}
    assert tasks.replica_requirements.node_claim.node_selector == {"disk": "ssd"}
    assert tasks.replica_requirements.priority_class_name == "high"


@pytest.mark.spec("I02", "D15")
@pytest.mark.parametrize(
    ("spec", "driver", "executor"),
    [
        pytest.param({"type": "Scala"}, (1, GI + 384 * 1024**2), (1, 8 * GI + 8 * GI // 10), id="jvm"),
        pytest.param({"type": "Python"}, (1, GI + int(GI * 0.4)), (1, 8 * GI + int(8 * GI * 0.4)), id="python"),
        pytest.param({"memoryOverheadFactor": "0.5"}, (1, GI + GI // 2), (1, 12 * GI), id="factor"),
        pytest.param(
            {"type": "Java", "dynamicAllocation": {"enabled": True, "minExecutors": 3}},
            (1, GI + 384 * 1024**2),
            (3, 8 * GI + 8 * GI // 10),
            id="dynamic",
        ),
    ],
)
def test_spark(spec, driver, executor):
    parts = {"driver": {"cores": 1, "memory": "1g"}, "executor": {"coreRequest": "500m", "cores": 2, "memory": "8g"}}
    found = [
        (item.replicas, int(item.replica_requirements.resource_request["memory"]))
        for item in replicas_of(of(SPARK, "SparkApplication", **parts, **spec)).components
    ]
    assert found == [driver, executor]


@pytest.mark.spec("I02")
def test_spark_cores_gpus_and_nodes():
    executor = {"cores": 2, "coreRequest": "1500m", "gpu": {"name": "nvidia.com/gpu", "quantity": 1}, "nodeSelector": {"gpu": "a"}}
    _, found = replicas_of(of(SPARK, "SparkApplication", driver={"cores": 1}, executor=executor)).components
    assert found.replica_requirements.resource_request == {"cpu": "1500m", "nvidia.com/gpu": "1"}
    assert found.replica_requirements.node_claim.node_selector == {"gpu": "a"}


@pytest.mark.spec("I02", "R7.3")
@pytest.mark.parametrize(
    ("api_version", "kind"), [(HELM, "HelmRelease"), (KUSTOMIZE, "Kustomization"), (SOURCE, "Bucket"), (ARGO, "Workflow")]
)
def test_a_suspended_copy_stays_suspended(api_version, kind):
    assert retain(of(api_version, kind, a=1), of(api_version, kind, suspend=True))["spec"] == {"a": 1, "suspend": True}
    assert retain(of(api_version, kind, suspend=True), of(api_version, kind))["spec"] == {"suspend": True}
    assert retain(of(api_version, kind, suspend=True), of(api_version, kind, suspend=False))["spec"] == {"suspend": False}


def refs(**named):
    return tuple(sorted(Ref("", kind, "shop", name) for kind, names in named.items() for name in names))


NEEDY = pod(serviceAccountName="runner", volumes=[{"configMap": {"name": "cm"}}, {"persistentVolumeClaim": {"claimName": "made"}}])
SECRET = {"secretRef": {"name": "s"}}


@pytest.mark.spec("I02", "K07", "R7.6")
@pytest.mark.parametrize(
    ("manifest", "expected"),
    [
        pytest.param(
            of(KRUISE, "CloneSet", template=NEEDY),
            refs(ConfigMap=["cm"], ServiceAccount=["runner"], PersistentVolumeClaim=["made"]),
            id="cloneset",
        ),
        pytest.param(
            of("apps.kruise.io/v1beta1", "StatefulSet", template=NEEDY, volumeClaimTemplates=[{"metadata": {"name": "made"}}]),
            refs(ConfigMap=["cm"], ServiceAccount=["runner"]),
            id="statefulset-makes-its-claims",
        ),
        pytest.param(
            of(KRUISE, "AdvancedCronJob", template={"jobTemplate": {"spec": {"template": pod(imagePullSecrets=[{"name": "pull"}])}}}),
            refs(Secret=["pull"]),
            id="advanced-cron-job",
        ),
        pytest.param(
            of(VOLCANO, "Job", tasks=[{"template": pod(imagePullSecrets=[{"name": "a"}])}, {"template": pod(serviceAccountName="b")}]),
            refs(Secret=["a"], ServiceAccount=["b"]),
            id="tasks",
        ),
        pytest.param(
            of(
                RAY,
                "RayJob",
                rayClusterSpec={
                    "headGroupSpec": {"template": pod(serviceAccountName="head")},
                    "workerGroupSpecs": [{"template": pod(serviceAccountName="worker")}],
                },
                submitterPodTemplate=pod(serviceAccountName="submitter"),
            ),
            refs(ServiceAccount=["head", "worker", "submitter"]),
            id="ray-job",
        ),
        pytest.param(
            of(KUBEFLOW, "TFJob", tfReplicaSpecs={"PS": {"template": pod(serviceAccountName="ps")}}), refs(ServiceAccount=["ps"]), id="tf"
        ),
        pytest.param(
            of(
                ARGO,
                "Workflow",
                volumes=NEEDY["spec"]["volumes"],
                volumeClaimTemplates=[{"metadata": {"name": "made"}}],
                executor={"serviceAccountName": "x"},
            ),
            refs(ConfigMap=["cm"], ServiceAccount=["x"]),
            id="workflow",
        ),
        pytest.param(
            of(SPARK, "SparkApplication", imagePullSecrets=["pull"], driver={"serviceAccount": "spark"}),
            refs(Secret=["pull"], ServiceAccount=["spark"]),
            id="spark",
        ),
        pytest.param(
            of(
                HELM,
                "HelmRelease",
                serviceAccountName="deployer",
                kubeConfig=SECRET,
                valuesFrom=[{"kind": "ConfigMap", "name": "values"}, {"kind": "Secret", "name": "more"}, {"kind": "Other", "name": "no"}],
            ),
            refs(ServiceAccount=["deployer"], Secret=["s", "more"], ConfigMap=["values"]),
            id="release",
        ),
        pytest.param(of(KUSTOMIZE, "Kustomization", decryption=SECRET), refs(Secret=["s"]), id="kustomization"),
        pytest.param(of(SOURCE, "GitRepository", **SECRET, verify={"secretRef": {"name": "keys"}}), refs(Secret=["s", "keys"]), id="git"),
        pytest.param(of(SOURCE, "OCIRepository", certSecretRef={"name": "ca"}), refs(Secret=["ca"]), id="oci"),
        pytest.param(of(SOURCE, "Bucket"), (), id="none"),
    ],
)
def test_dependencies(manifest, expected):
    assert dependencies(manifest) == expected


def test_images_of_every_pod():
    cluster = of(RAY, "RayCluster", headGroupSpec={"template": pod("head:1")}, workerGroupSpecs=[{"template": pod("worker:1")}] * 2)
    assert images(cluster) == ("head:1", "worker:1")
    assert images(of(KRUISE, "SidecarSet", containers=[{"name": "log", "image": "log:1"}])) == ("log:1",)
