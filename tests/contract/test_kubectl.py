"""The real kubectl against our API server (and a real one): what people type every day."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from contract.conftest import KUBECTL, LIMIT_S, KubeApi

APP = """
apiVersion: v1
kind: ConfigMap
metadata: {name: settings, labels: {app: web}}
data: {colour: blue}
---
apiVersion: v1
kind: Service
metadata: {name: web, labels: {app: web}}
spec:
  selector: {app: web}
  ports: [{port: 80, targetPort: 8080}]
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, labels: {app: web}}
spec:
  paused: true
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
      - {name: app, image: "nginx:1", env: [{name: COLOUR, value: blue}]}
      - {name: side, image: "side:1"}
"""

CRD = """
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: %(plural)s.example.org}
spec:
  group: example.org
  scope: Namespaced
  names: {plural: %(plural)s, singular: %(singular)s, kind: %(kind)s, shortNames: [%(short)s]}
  versions:
  - name: v1
    served: true
    storage: true
    additionalPrinterColumns:
    - {name: Size, type: integer, jsonPath: .spec.size}
    subresources:
      status: {}
      scale: {specReplicasPath: .spec.size, statusReplicasPath: .status.size}
    schema:
      openAPIV3Schema:
        type: object
        properties:
          spec:
            type: object
            required: [size]
            properties:
              size: {type: integer, minimum: 0, description: How many.}
              mode: {type: string, enum: [fast, slow], default: fast}
          status:
            type: object
            properties: {size: {type: integer}}
"""


class Kubectl:
    """kubectl in a namespace of the test's own."""

    def __init__(self, api: KubeApi) -> None:
        self.api, self.namespace = api, api.namespace()

    def __call__(self, *arguments: str, input_: str = "", code: int = 0) -> str:
        return self.api.kubectl("-n", self.namespace, *arguments, input_=input_, code=code)

    def value(self, what: str, path: str) -> str:
        return self("get", what, "-o", f"jsonpath={{{path}}}")


@pytest.fixture
def kubectl(kube_api: KubeApi) -> Kubectl:
    return Kubectl(kube_api)


@pytest.fixture
def app(kubectl: Kubectl) -> Kubectl:
    """An application that was applied client-side."""
    kubectl("apply", "-f", "-", input_=APP)
    return kubectl


def lines(output: str) -> list[list[str]]:
    return [line.split() for line in output.splitlines()]


def test_version_and_kinds(kubectl: Kubectl) -> None:
    assert re.search(r"Server Version: v1\.3\d", kubectl("version"))
    kinds = kubectl("api-resources", "--no-headers")
    assert re.search(r"^deployments +deploy +apps/v1 +true +Deployment$", kinds, re.M)
    assert re.search(r"^namespaces +ns +v1 +false +Namespace$", kinds, re.M)
    assert "apps/v1" in kubectl("api-versions").split()
    assert kubectl("get", "--raw", "/readyz") == "ok"


def test_apply_twice_is_unchanged(kubectl: Kubectl) -> None:
    first = kubectl("apply", "-f", "-", input_=APP)
    assert first.splitlines() == ["configmap/settings created", "service/web created", "deployment.apps/web created"]
    version = kubectl.value("deployment/web", ".metadata.resourceVersion")
    again = kubectl("apply", "-f", "-", input_=APP)
    assert again.splitlines() == ["configmap/settings unchanged", "service/web unchanged", "deployment.apps/web unchanged"]
    assert kubectl.value("deployment/web", ".metadata.resourceVersion") == version
    changed = kubectl("apply", "-f", "-", input_=APP.replace("value: blue", "value: red"))
    assert "deployment.apps/web configured" in changed


def test_server_side_apply_twice_writes_once(kubectl: Kubectl) -> None:
    assert kubectl("apply", "--server-side", "-f", "-", input_=APP).count("serverside-applied") == 3
    version = kubectl.value("deployment/web", ".metadata.resourceVersion")
    kubectl("apply", "--server-side", "-f", "-", input_=APP)
    assert kubectl.value("deployment/web", ".metadata.resourceVersion") == version


def test_server_side_apply_takes_over_from_client_side(app: Kubectl) -> None:
    app("apply", "--server-side", "-f", "-", input_=APP)
    app("apply", "--server-side", "-f", "-", input_=APP.replace("side:1", "side:2"))
    assert app.value("deployment/web", ".spec.template.spec.containers[1].image") == "side:2"
    assert "kubectl-client-side-apply" not in app("get", "deployment/web", "-o", "json", "--show-managed-fields")


def test_a_conflict_names_manager_and_field(app: Kubectl) -> None:
    app("apply", "--server-side", "--field-manager=other", "--force-conflicts", "-f", "-", input_=APP.replace("nginx:1", "nginx:2"))
    told = app("apply", "--server-side", "-f", "-", input_=APP, code=1)
    assert 'conflict with "other"' in told
    assert '.spec.template.spec.containers[name="app"].image' in told


@pytest.mark.parametrize(
    ("kind", "patch", "path", "value"),
    [
        pytest.param("merge", '{"spec":{"replicas":5}}', ".spec.replicas", "5", id="merge"),
        pytest.param(
            "strategic",
            '{"spec":{"template":{"spec":{"containers":[{"name":"side","image":"side:9"}]}}}}',
            '.spec.template.spec.containers[?(@.name=="app")].image',
            "nginx:1",
            id="strategic-keeps-the-other-container",
        ),
        pytest.param(
            "json",
            '[{"op":"replace","path":"/spec/template/spec/containers/0/image","value":"nginx:7"}]',
            ".spec.template.spec.containers[0].image",
            "nginx:7",
            id="json",
        ),
    ],
)
def test_patch(app: Kubectl, kind: str, patch: str, path: str, value: str) -> None:
    assert "patched" in app("patch", "deployment/web", "--type", kind, "-p", patch)
    assert app.value("deployment/web", path) == value


def test_tables(app: Kubectl) -> None:
    assert lines(app("get", "deployments"))[0] == ["NAME", "READY", "UP-TO-DATE", "AVAILABLE", "AGE"]
    wide = lines(app("get", "deployments", "-o", "wide"))
    assert wide[1][-3:] == ["app,side", "nginx:1,side:1", "app=web"]
    assert lines(app("get", "svc"))[1][:2] == ["web", "ClusterIP"]
    assert lines(app("get", "cm", "settings"))[1][:2] == ["settings", "1"]
    assert lines(app("get", "ns", app.namespace))[1][:2] == [app.namespace, "Active"]
    assert "No resources found" in app("get", "pods", "-l", "app=nothing")
    listed = app("get", "all", "-l", "app=web")
    assert "service/web" in listed
    assert "deployment.apps/web" in listed


def test_selectors_and_sorting(app: Kubectl) -> None:
    app("create", "configmap", "b", "--from-literal=x=1")
    assert app("get", "cm", "-l", "app in (web)", "-o", "name").split() == ["configmap/settings"]
    assert app("get", "cm", "--field-selector", "metadata.name=b", "-o", "name").split() == ["configmap/b"]
    assert "configmap/b" in app("get", "cm", "-l", "!app", "-o", "name")
    assert app("get", "cm", "--chunk-size=1", "--sort-by=.metadata.name", "-o", "name").split()[0] == "configmap/b"


def test_describe(app: Kubectl) -> None:
    told = app("describe", "deployment", "web")
    assert re.search(r"^Selector: +app=web$", told, re.M)
    assert re.search(r"^StrategyType: +RollingUpdate$", told, re.M)
    assert re.search(r"^Type: +ClusterIP$", app("describe", "service", "web"), re.M)


def test_scale_label_annotate_set_image(app: Kubectl) -> None:
    assert "scaled" in app("scale", "deployment/web", "--replicas=4")
    assert app.value("deployment/web", ".spec.replicas") == "4"
    app("label", "cm/settings", "tier=front")
    assert app("get", "cm", "-l", "tier=front", "-o", "name").strip() == "configmap/settings"
    app("label", "cm/settings", "tier-")
    app("annotate", "cm/settings", "note=hello there")
    assert app.value("cm/settings", ".metadata.annotations.note") == "hello there"
    app("set", "image", "deployment/web", "app=nginx:3")
    app("set", "env", "deployment/web", "-c", "app", "SIZE=2")
    assert app.value("deployment/web", ".spec.template.spec.containers[0].image") == "nginx:3"
    assert app.value("deployment/web", '.spec.template.spec.containers[0].env[?(@.name=="SIZE")].value') == "2"


def test_diff(app: Kubectl) -> None:
    assert app("diff", "-f", "-", input_=APP) == ""
    told = app("diff", "-f", "-", input_=APP.replace("colour: blue", "colour: red"), code=1)
    assert re.search(r"^-\s+colour: blue$", told, re.M)
    assert re.search(r"^\+\s+colour: red$", told, re.M)
    assert app.value("cm/settings", ".data.colour") == "blue"


def test_dry_run_stores_nothing(kubectl: Kubectl) -> None:
    assert "(server dry run)" in kubectl("apply", "--dry-run=server", "-f", "-", input_=APP)
    assert kubectl("get", "deployments,services", "-o", "name") == ""


def test_explain(kubectl: Kubectl) -> None:
    assert re.search(r"^  replicas\t<integer>$", kubectl("explain", "deployment.spec"), re.M)
    told = kubectl("explain", "pod.spec.containers.env", "--recursive")
    assert "FIELD: env <[]EnvVar>" in told
    assert "secretKeyRef" in told


def test_a_typing_error_is_refused_with_its_place(kubectl: Kubectl) -> None:
    told = kubectl("apply", "-f", "-", input_=APP.replace("paused:", "pause:"), code=1)
    assert 'unknown field "spec.pause"' in told
    told = kubectl("create", "-f", "-", input_=APP.replace("paused: true", "replicas: three"), code=1)
    assert "spec.replicas" in told
    assert "expected" in told or "cannot unmarshal string" in told


def test_what_is_missing_and_what_is_there_already(app: Kubectl) -> None:
    assert 'Error from server (NotFound): configmaps "nope" not found' in app("get", "cm", "nope", code=1)
    assert 'configmaps "settings" already exists' in app("create", "cm", "settings", code=1)
    assert 'namespaces "missing-namespace" not found' in app("create", "cm", "x", "-n", "missing-namespace", code=1)
    assert "the server doesn't have a resource type" in app("get", "nothings", code=1)


def test_delete_waits_until_gone(app: Kubectl) -> None:
    assert "deleted" in app("delete", "cm/settings", "--wait=true", "--timeout=10s")
    app("get", "cm", "settings", code=1)
    app("delete", "deploy,svc", "-l", "app=web", "--timeout=10s")
    assert app("get", "deploy,svc", "-o", "name") == ""
    app("delete", "cm", "settings", "--ignore-not-found")


def test_wait_for_a_condition_and_a_deletion(app: Kubectl) -> None:
    app("annotate", "cm/settings", "x=y")
    assert "condition met" in app("wait", "cm/settings", "--for=jsonpath={.data.colour}=blue", "--timeout=10s")
    with subprocess.Popen(
        [str(KUBECTL), f"--kubeconfig={app.api.kubeconfig}", "-n", app.namespace, "wait", "cm/settings", "--for=delete", "--timeout=20s"],
        stdout=subprocess.PIPE,
        text=True,
    ) as waiting:
        app("delete", "cm/settings")
        assert waiting.wait(LIMIT_S) == 0


def test_rollout_status_reads_the_status(embedded_api: KubeApi) -> None:
    kubectl = Kubectl(embedded_api)  # A real one has controllers that write the status themselves.
    kubectl("apply", "-f", "-", input_=APP.replace("paused: true", "replicas: 1"))
    status = {"observedGeneration": 1, "replicas": 1, "updatedReplicas": 1, "readyReplicas": 1, "availableReplicas": 1}
    kubectl("patch", "deployment/web", "--subresource=status", "--type=merge", "-p", json.dumps({"status": status}))
    assert "successfully rolled out" in kubectl("rollout", "status", "deployment/web", "--timeout=10s")
    assert lines(kubectl("get", "deployment", "web"))[1][:4] == ["web", "1/1", "1", "1"]
    assert kubectl.value("deployment/web", ".metadata.generation") == "1"


def test_watch_shows_changes_as_rows(app: Kubectl) -> None:
    command = [str(KUBECTL), f"--kubeconfig={app.api.kubeconfig}", "-n", app.namespace, "get", "cm", "settings", "-w", "--no-headers"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as watching:
        assert watching.stdout is not None
        assert watching.stdout.readline().split()[:2] == ["settings", "1"]
        app("patch", "cm/settings", "--type=merge", "-p", '{"data":{"size":"2"}}')
        assert watching.stdout.readline().split()[:2] == ["settings", "2"]
        watching.terminate()


def test_prune_deletes_what_is_no_longer_applied(app: Kubectl) -> None:
    app("apply", "--prune", "-l", "app=web", "-f", "-", input_=APP.rpartition("---")[2])
    assert "deployment.apps/web" in app("get", "deploy", "-o", "name")
    app("get", "cm", "settings", code=1)


@pytest.mark.parametrize(
    ("arguments", "path", "value"),
    [
        pytest.param("configmap x --from-literal=a=b", ".data.a", "b", id="configmap"),
        pytest.param("secret generic x --from-literal=a=b", ".data.a", "Yg==", id="secret"),
        pytest.param("deployment x --image=busybox:1 --replicas=0 --port=80", ".spec.replicas", "0", id="deployment-zero-replicas"),
        pytest.param("service clusterip x --tcp=80:8080", ".spec.ports[0].targetPort", "8080", id="service"),
        pytest.param("service externalname x --external-name=a.example.org", ".spec.externalName", "a.example.org", id="external-name"),
        pytest.param("job x --image=busybox:1 -- sleep 1", ".spec.template.spec.containers[0].command[1]", "1", id="job"),
        pytest.param("cronjob x --image=busybox:1 --schedule=@daily", ".spec.schedule", "@daily", id="cronjob"),
        pytest.param("role x --verb=get --resource=pods", ".rules[0].resources[0]", "pods", id="role"),
        pytest.param("rolebinding x --role=x --user=u", ".subjects[0].name", "u", id="rolebinding"),
        pytest.param("ingress x --rule=a.example.org/=web:80", ".spec.rules[0].host", "a.example.org", id="ingress"),
        pytest.param("quota x --hard=cpu=2", ".spec.hard.cpu", "2", id="quota"),
        pytest.param("pdb x --selector=a=b --min-available=1", ".spec.minAvailable", "1", id="pdb"),
        pytest.param("serviceaccount x", ".metadata.name", "x", id="serviceaccount"),
    ],
)
def test_generators_send_protobuf(kubectl: Kubectl, arguments: str, path: str, value: str) -> None:
    kubectl("create", *arguments.split())
    kind = arguments.split(maxsplit=1)[0]
    assert kubectl.value(f"{kind}/x", path) == value
    assert "exists" in kubectl("create", *arguments.split(), code=1)


def test_replace_edit_create_generators(app: Kubectl, tmp_path: Path) -> None:
    shown = app("get", "cm", "settings", "-o", "yaml")
    assert "replaced" in app("replace", "-f", "-", input_=shown.replace("blue", "green"))
    assert "the object has been modified" in app("replace", "-f", "-", input_=shown.replace("blue", "red"), code=1)
    app("create", "secret", "generic", "token", "--from-literal=a=b")
    assert app.value("secret/token", ".data.a") == "Yg=="
    app("create", "deployment", "other", "--image=busybox:1", "--replicas=0")
    assert "exposed" in app("expose", "deployment", "other", "--port=80")
    editor = tmp_path / "edit.py"
    editor.write_text("import sys; p = sys.argv[1]; s = open(p).read(); open(p, 'w').write(s.replace('green', 'violet'))\n")
    subprocess.run(
        [str(KUBECTL), f"--kubeconfig={app.api.kubeconfig}", "-n", app.namespace, "edit", "cm/settings"],
        check=True,
        timeout=LIMIT_S,
        capture_output=True,
        env={"KUBE_EDITOR": f"{sys.executable} {editor}", "HOME": str(tmp_path), "PATH": "/usr/bin:/bin"},
    )
    assert app.value("cm/settings", ".data.colour") == "violet"


def test_may_i(kubectl: Kubectl) -> None:
    assert kubectl("auth", "can-i", "create", "deployments").strip() == "yes"


def test_events_are_listed(app: Kubectl) -> None:
    event = {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": "e1", "namespace": app.namespace},
        "involvedObject": {"kind": "ConfigMap", "name": "settings", "namespace": app.namespace},
        "reason": "Changed",
        "message": "it changed",
        "type": "Normal",
        "firstTimestamp": "2026-01-01T00:00:00Z",
        "lastTimestamp": "2026-01-01T00:00:00Z",
        "count": 1,
    }
    app("create", "-f", "-", input_=json.dumps(event))
    assert "it changed" in app("get", "events", "--field-selector", "involvedObject.name=settings")


def test_custom_resources(kubectl: Kubectl) -> None:
    name = f"w{kubectl.namespace.replace('-', '')}"
    names = {"plural": f"{name}s", "singular": name, "kind": name.capitalize(), "short": f"{name}x"}
    kubectl("apply", "-f", "-", input_=CRD % names)
    kubectl("wait", "--for=condition=Established", f"crd/{names['plural']}.example.org", "--timeout=20s")
    resource = f"apiVersion: example.org/v1\nkind: {names['kind']}\nmetadata: {{name: a}}\nspec: {{size: 3}}\n"
    kubectl("apply", "-f", "-", input_=resource)
    assert "unchanged" in kubectl("apply", "-f", "-", input_=resource)
    kubectl("apply", "--server-side", "-f", "-", input_=resource)
    assert [row[:2] for row in lines(kubectl("get", names["short"]))] == [["NAME", "SIZE"], ["a", "3"]]
    assert kubectl.value(f"{name}/a", ".spec.mode") == "fast"
    assert "scaled" in kubectl("scale", f"{name}/a", "--replicas=5")
    assert kubectl.value(f"{name}/a", ".spec.size") == "5"
    kubectl("patch", f"{name}/a", "--subresource=status", "--type=merge", "-p", '{"status":{"size":5}}')
    assert kubectl.value(f"{name}/a", ".status.size") == "5"
    assert 'spec.mode: Unsupported value: "medium"' in kubectl(
        "patch", f"{name}/a", "--type=merge", "-p", '{"spec":{"mode":"medium"}}', code=1
    ).replace("Invalid value", "Unsupported value")
    assert "How many." in kubectl("explain", f"{names['plural']}.spec")
    kubectl("delete", "crd", f"{names['plural']}.example.org", "--timeout=20s")
    assert "could not find the requested resource" in kubectl("get", names["plural"], code=1)  # From its cache of kinds.


def test_a_namespace_goes_with_its_content(app: Kubectl) -> None:
    app.api.kubectl("delete", "namespace", app.namespace, "--timeout=25s")
    assert "NotFound" in app.api.kubectl("get", "namespace", app.namespace, code=1)
    assert f'namespaces "{app.namespace}" not found' in app("create", "cm", "late", code=1)
