"""Every file of `examples/` is valid: native kinds against Kubernetes' own schemas, ours and Karmada's against admission."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest

from shoal.api.meta import Manifest
from shoal.api.yaml import load_all
from shoal.cli.deploy import application_of
from shoal.domain.admission.admit import admit

EXAMPLES = Path(__file__).parents[2] / "examples"
KUBERNETES = "1.37"
OBJECTS = [
    pytest.param(manifest, id=f"{path.relative_to(EXAMPLES)}:{manifest['kind']}/{manifest['metadata']['name']}")
    for path in sorted(EXAMPLES.rglob("*.yaml"))
    for manifest in load_all(path.read_bytes(), source=str(path))
]


@pytest.mark.parametrize("manifest", OBJECTS)
def test_an_example_is_valid(manifest: Manifest) -> None:
    _, violations = admit(manifest)
    assert violations == ()
    if "karmada.io" not in manifest["apiVersion"] and "shoal.dev" not in manifest["apiVersion"]:
        kubernetes_validate.validate(manifest, KUBERNETES, strict=True)


@pytest.mark.parametrize("directory", ["base", "shop"])
def test_a_directory_is_one_application(directory: str) -> None:
    manifests = [one for path in (EXAMPLES / directory).glob("*.yaml") for one in load_all(path.read_bytes())]
    assert application_of(manifests) == {"base": "platform"}.get(directory, directory)
    names: list[Any] = [(one["kind"], one["metadata"].get("namespace"), one["metadata"]["name"]) for one in manifests]
    assert len(set(names)) == len(names)
