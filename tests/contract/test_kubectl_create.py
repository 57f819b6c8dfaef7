"""The commands of kubectl that build an object themselves: their bodies are protobuf, so nothing here goes through a manifest."""

from __future__ import annotations

import base64

import pytest

from contract.conftest import KubeApi


class Kubectl:
    """kubectl in a namespace of the test's own."""

    def __init__(self, api: KubeApi) -> None:
        self.api, self.namespace = api, api.namespace()

    def __call__(self, *arguments: str, code: int = 0) -> str:
        return self.api.kubectl("-n", self.namespace, *arguments, code=code)

    def value(self, what: str, path: str) -> str:
        return self("get", what, "-o", f"jsonpath={{{path}}}")


@pytest.fixture
def kubectl(kube_api: KubeApi) -> Kubectl:
    return Kubectl(kube_api)


CREATED = [
    pytest.param("configmap c --from-literal=a=b --from-literal=empty=", "cm/c", ".data.a", "b", id="configmap"),
    pytest.param("secret generic s --from-literal=a=b", "secret/s", ".data.a", base64.b64encode(b"b").decode(), id="secret"),
    pytest.param(
        "secret docker-registry r --docker-username=u --docker-password=p",
        "secret/r",
        ".type",
        "kubernetes.io/dockerconfigjson",
        id="registry-secret",
    ),
    pytest.param("serviceaccount a", "sa/a", ".metadata.name", "a", id="serviceaccount"),
    pytest.param("deployment d --image=nginx:1 --replicas=0 --port=80", "deploy/d", ".spec.replicas", "0", id="deployment-of-none"),
    pytest.param(
        "deployment d --image=nginx:1 --image=side:1",
        "deploy/d",
        ".spec.template.spec.containers[*].image",
        "nginx:1 side:1",
        id="deployment",
    ),
    pytest.param("job j --image=busybox -- date -u", "job/j", ".spec.template.spec.containers[0].command", '["date","-u"]', id="job"),
    pytest.param("cronjob j --image=busybox --schedule=*/5_*_*_*_*", "cronjob/j", ".spec.schedule", "*/5 * * * *", id="cronjob"),
    pytest.param("quota q --hard=cpu=1500m,memory=2Gi,pods=3", "quota/q", ".spec.hard.cpu", "1500m", id="quota"),
    pytest.param("role r --verb=get,list --resource=pods --resource-name=web", "role/r", ".rules[0].verbs", '["get","list"]', id="role"),
    pytest.param("rolebinding b --role=r --user=ada", "rolebinding/b", ".subjects[0].name", "ada", id="rolebinding"),
    pytest.param("service clusterip s --tcp=80:8080", "svc/s", ".spec.ports[0].targetPort", "8080", id="service"),
    pytest.param("service nodeport s --tcp=80:http", "svc/s", ".spec.ports[0].targetPort", "http", id="service-with-a-named-port"),
    pytest.param(
        "ingress i --rule=example.org/a*=web:80", "ing/i", ".spec.rules[0].http.paths[0].backend.service.port.number", "80", id="ingress"
    ),
    pytest.param("poddisruptionbudget p --selector=app=web --min-available=50%", "pdb/p", ".spec.minAvailable", "50%", id="pdb"),
]


@pytest.mark.parametrize(("command", "what", "path", "value"), CREATED)
def test_create(kubectl: Kubectl, command: str, what: str, path: str, value: str) -> None:
    arguments = [argument.replace("_", " ") for argument in command.split()]
    assert " created" in kubectl("create", *arguments)
    assert kubectl.value(what, path) == value
    assert "already exists" in kubectl("create", *arguments, code=1)


def test_create_on_the_server_without_writing(kubectl: Kubectl) -> None:
    assert "created (server dry run)" in kubectl("create", "configmap", "c", "--from-literal=a=b", "--dry-run=server")
    assert "(NotFound)" in kubectl("get", "configmap", "c", code=1)


def test_an_invalid_object_names_its_field(kubectl: Kubectl) -> None:
    told = kubectl("create", "deployment", "d", "--image=nginx:1", "--replicas=-3", code=1)
    assert "spec.replicas: Invalid value: -3" in told


def test_a_namespace_lives_and_goes(kubectl: Kubectl) -> None:
    name = f"{kubectl.namespace}-more"
    assert kubectl("create", "namespace", name) == f"namespace/{name} created\n"
    assert f'namespace "{name}" deleted' in kubectl("delete", "namespace", name, "--wait=false")


def test_run_and_expose(kubectl: Kubectl) -> None:
    assert kubectl("run", "web", "--image=nginx:1", "--port=80", "--env=A=b", "--labels=app=web") == "pod/web created\n"
    assert kubectl.value("pod/web", ".spec.containers[0].env[0].value") == "b"
    assert "service/web exposed" in kubectl("expose", "pod", "web", "--target-port=8080")
    assert kubectl.value("svc/web", ".spec.ports[0].targetPort") == "8080"
    assert kubectl.value("svc/web", ".spec.selector.app") == "web"


def test_the_life_of_a_deployment(kubectl: Kubectl) -> None:
    kubectl("create", "deployment", "web", "--image=nginx:1")
    assert "scaled" in kubectl("scale", "deployment/web", "--replicas=3", "--current-replicas=1")
    assert kubectl.value("deploy/web", ".spec.replicas") == "3"
    assert "restarted" in kubectl("rollout", "restart", "deployment/web")
    assert kubectl.value("deploy/web", r".spec.template.metadata.annotations.kubectl\.kubernetes\.io/restartedAt")
    assert "labeled" in kubectl("label", "deployment/web", "tier=front")
    assert "annotated" in kubectl("annotate", "deployment/web", "note=x")
    assert "autoscaled" in kubectl("autoscale", "deployment", "web", "--max=5", "--cpu=50%")
    assert kubectl.value("hpa/web", ".spec.maxReplicas") == "5"
    assert 'deployment.apps "web" deleted' in kubectl("delete", "deployment", "web", "--wait=false")
