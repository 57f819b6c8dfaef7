"""Effective requests of pods (R4.16)."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from shoal.kube.client.pods import Amounts, PodSpec, add, requests_of, texts


def container(cpu: str = "", memory: str = "", *, limit: str = "", **more: Any) -> dict[str, Any]:
    requests = {name: value for name, value in (("cpu", cpu), ("memory", memory)) if value}
    return {"resources": {"requests": requests, **({"limits": {"cpu": limit}} if limit else {})}, **more}


SIDECAR = {"restartPolicy": "Always"}


@pytest.mark.spec("R4.16")
@pytest.mark.parametrize(
    ("spec", "cpu"),
    [
        pytest.param({"containers": [container("250m"), container("1")]}, 1250, id="containers-add-up"),
        pytest.param(
            {"containers": [container("1")], "initContainers": [container("3"), container("2")]}, 3000, id="largest-init-container"
        ),
        pytest.param({"containers": [container("4")], "initContainers": [container("3")]}, 4000, id="containers-larger"),
        pytest.param({"containers": [container("1")], "initContainers": [container("1", **SIDECAR)]}, 2000, id="sidecar-runs-beside"),
        pytest.param(
            {"containers": [container("1")], "initContainers": [container("1", **SIDECAR), container("3")]}, 4000, id="init-beside-sidecar"
        ),
        pytest.param({"containers": [container(limit="2")]}, 2000, id="limit-stands-for-request"),
        pytest.param({"containers": [container("1", limit="2")]}, 1000, id="request-before-limit"),
        pytest.param({"containers": [container("1")], "overhead": {"cpu": "100m"}}, 1100, id="overhead"),
        pytest.param({"containers": [container("1")], "resources": {"requests": {"cpu": "5"}}}, 5000, id="pod-level"),
        pytest.param({"containers": [{"resources": {"requests": {"cpu": 2}}}]}, 2000, id="number"),
        pytest.param({"containers": [{"resources": {}}]}, None, id="none"),
    ],
)
def test_requests(spec: dict[str, Any], cpu: int | None) -> None:
    found = requests_of(msgspec.convert(spec, PodSpec))
    assert (found.get("cpu"), found["pods"]) == (cpu, 1000)


@pytest.mark.parametrize(
    ("amounts", "expected"),
    [
        pytest.param({"cpu": 3920, "memory": 7 * 2**30 * 1000}, {"cpu": "3920m", "memory": "7516192768"}, id="milli-and-whole"),
        pytest.param({"pods": 110000}, {"pods": "110"}, id="whole"),
        pytest.param({}, {}, id="nothing"),
    ],
)
def test_texts(amounts: Amounts, expected: dict[str, str]) -> None:
    assert texts(amounts) == expected


def test_sums() -> None:
    assert add([{"cpu": 1}, {"cpu": 2, "memory": 5}]) == {"cpu": 3, "memory": 5}
