"""`negotiation.py`: the form of an answer."""

from __future__ import annotations

import pytest

from shoal.kube.apiserver.errors import StatusError
from shoal.kube.apiserver.negotiation import accepted, accepts, media_type

TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io"
DISCOVERY = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"


@pytest.mark.parametrize(
    ("header", "form"),
    [
        pytest.param("", "object", id="none"),
        pytest.param("*/*", "object", id="anything"),
        pytest.param("application/json", "object", id="json"),
        pytest.param(f"{TABLE},application/json", "table", id="kubectl-get"),
        pytest.param("application/json;as=Table;v=v1beta1;g=meta.k8s.io", "table", id="old-table"),
        pytest.param("application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io", "metadata", id="metadata"),
        pytest.param("application/json;as=Unknown;v=v1;g=meta.k8s.io,application/json", "object", id="unknown-form-falls-through"),
        pytest.param("application/vnd.kubernetes.protobuf,application/json", "object", id="protobuf-with-json"),
        pytest.param("application/vnd.kubernetes.protobuf, */*", "object", id="protobuf-with-anything"),
    ],
)
def test_accepted(header: str, form: str) -> None:
    assert accepted(header).form == form


@pytest.mark.parametrize("header", ["application/vnd.kubernetes.protobuf", "application/cbor", "text/html"])
def test_protobuf_alone_is_not_acceptable(header: str) -> None:
    with pytest.raises(StatusError) as refused:
        accepted(header)
    assert refused.value.code == 406


@pytest.mark.parametrize(
    ("header", "version"),
    [
        pytest.param(DISCOVERY + ",application/json", "v2", id="aggregated"),
        pytest.param("application/json," + DISCOVERY, None, id="plain-first"),
        pytest.param("", None, id="none"),
    ],
)
def test_discovery_form(header: str, version: str | None) -> None:
    assert accepts(header, "apidiscovery.k8s.io", "APIGroupDiscoveryList") == version


def test_media_type_has_no_parameters() -> None:
    assert media_type("Application/Apply-Patch+YAML; charset=utf-8") == "application/apply-patch+yaml"
