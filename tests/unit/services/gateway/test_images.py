"""Which containers an image of a deploy means."""

from typing import Any

import pytest

from shoal_gateway.images import containers, repository, with_images


@pytest.mark.parametrize(
    ("image", "wanted"),
    [
        pytest.param("web", "web", id="bare"),
        pytest.param("web:1", "web", id="tag"),
        pytest.param("reg.corp:5000/team/web", "reg.corp:5000/team/web", id="port"),
        pytest.param("reg.corp:5000/team/web:1@sha256:" + "0" * 64, "reg.corp:5000/team/web", id="tag-and-digest"),
    ],
)
def test_repository(image: str, wanted: str) -> None:
    assert repository(image) == wanted


def pod(**images: str) -> dict[str, Any]:
    return {"containers": [{"name": name, "image": image} for name, image in images.items()]}


DEPLOYMENT = {"kind": "Deployment", "spec": {"template": {"spec": pod(web="reg/web:1", side="reg/proxy:1")}}}
CRON = {"kind": "CronJob", "spec": {"jobTemplate": {"spec": {"template": {"spec": pod(job="reg/job:1")}}}}}
POD = {"kind": "Pod", "spec": pod(web="reg/web:1")}
INIT = {"kind": "Job", "spec": {"template": {"spec": {"initContainers": [{"name": "migrate", "image": "reg/web:1"}]}}}}
CONFIG = {"kind": "ConfigMap", "data": {"image": "reg/web:1"}}


@pytest.mark.parametrize(
    ("manifest", "images", "used", "result"),
    [
        pytest.param(DEPLOYMENT, {"web": "reg/web:2"}, {"web"}, ["reg/web:2", "reg/proxy:1"], id="by-container"),
        pytest.param(DEPLOYMENT, {"reg/proxy": "reg/proxy:9"}, {"reg/proxy"}, ["reg/web:1", "reg/proxy:9"], id="by-repository"),
        pytest.param(DEPLOYMENT, {"web": "a", "reg/web": "b"}, {"web"}, ["a", "reg/proxy:1"], id="the-container-wins"),
        pytest.param(CRON, {"job": "reg/job:2"}, {"job"}, ["reg/job:2"], id="cron-job"),
        pytest.param(POD, {"web": "reg/web:2"}, {"web"}, ["reg/web:2"], id="pod"),
        pytest.param(INIT, {"reg/web": "reg/web:2"}, {"reg/web"}, ["reg/web:2"], id="init-container"),
        pytest.param(CONFIG, {"reg/web": "reg/web:2"}, set(), [], id="no-pod"),
        pytest.param(DEPLOYMENT, {"other": "x"}, set(), ["reg/web:1", "reg/proxy:1"], id="nobody-meant"),
    ],
)
def test_with_images(manifest: dict[str, Any], images: dict[str, str], used: set[str], result: list[str]) -> None:
    before = repr(manifest)
    made, found = with_images(manifest, images)
    assert found == used
    assert [box.image for box in containers(made)] == result
    assert repr(manifest) == before


def test_what_is_set_already_is_left_as_it_is() -> None:
    made, used = with_images(POD, {"web": "reg/web:1"})
    assert made is POD
    assert used == {"web"}
