"""`paths.py`: what a path is about."""

from __future__ import annotations

import pytest

from shoal.kube.apiserver.errors import StatusError
from shoal.kube.apiserver.paths import group_version, target
from shoal.kube.apiserver.registry import Registry

REGISTRY = Registry.builtin()


def split(path: str) -> tuple[str, str, list[str]]:
    found = group_version([part for part in path.split("/") if part])
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("path", "kind", "namespace", "name", "subresource"),
    [
        pytest.param("/api/v1/namespaces", "Namespace", "", "", "", id="namespaces"),
        pytest.param("/api/v1/namespaces/shop", "Namespace", "", "shop", "", id="namespace"),
        pytest.param("/api/v1/namespaces/shop/status", "Namespace", "", "shop", "status", id="namespace-status"),
        pytest.param("/api/v1/namespaces/shop/finalize", "Namespace", "", "shop", "finalize", id="namespace-finalize"),
        pytest.param("/api/v1/namespaces/shop/pods", "Pod", "shop", "", "", id="collection"),
        pytest.param("/api/v1/namespaces/status/pods/p", "Pod", "status", "p", "", id="namespace-called-status"),
        pytest.param("/api/v1/pods", "Pod", "", "", "", id="all-namespaces"),
        pytest.param("/apis/apps/v1/namespaces/a/deployments/b/scale", "Deployment", "a", "b", "scale", id="scale"),
        pytest.param("/apis/rbac.authorization.k8s.io/v1/clusterroles/c", "ClusterRole", "", "c", "", id="cluster-scoped"),
    ],
)
def test_target(path: str, kind: str, namespace: str, name: str, subresource: str) -> None:
    found = target(REGISTRY, *split(path))
    assert (found.resource.kind, found.namespace, found.name, found.subresource) == (kind, namespace, name, subresource)


@pytest.mark.parametrize(
    "path",
    [
        pytest.param("/api/v1/namespaces/a/nothings", id="unknown-kind"),
        pytest.param("/api/v1/pods/p", id="namespaced-without-namespace"),
        pytest.param("/api/v1/namespaces/a/nodes/n", id="cluster-scoped-in-namespace"),
        pytest.param("/api/v1/namespaces/a/configmaps/c/status", id="no-such-subresource"),
        pytest.param("/apis/apps/v1/namespaces/a/daemonsets/d/scale", id="no-scale"),
        pytest.param("/api/v1/namespaces/a/pods/p/status/more", id="too-long"),
    ],
)
def test_no_target(path: str) -> None:
    with pytest.raises(StatusError) as refused:
        target(REGISTRY, *split(path))
    assert (refused.value.code, refused.value.reason) == (404, "NotFound")


@pytest.mark.parametrize("path", [["version"], ["api"], ["apis", "apps"], []])
def test_other_paths_have_no_group(path: list[str]) -> None:
    assert group_version(path) is None
