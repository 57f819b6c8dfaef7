"""Answers of API servers, as seen from Kubernetes 1.36, and the errors they become."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from shoal.api.errors import Conflict, DependencyMissing, ManifestRejected, MemberUnavailable, Retryable, RevisionConflict
from shoal.api.meta import Ref
from shoal.kube.client.failures import WatchExpired, failure_of, status_of
from shoal.kube.wire import Response

REF = Ref("apps", "Deployment", "shop", "web")


def refused(code: int, reason: str = "", message: str = "", details: dict[str, Any] | None = None, **headers: str) -> Response:
    body = {"kind": "Status", "status": "Failure", "code": code, "reason": reason, "message": message, "details": details or {}}
    return Response(status=code, body=msgspec.json.encode(body), headers=headers)


CONFLICT = {"causes": [{"reason": "FieldManagerConflict", "message": 'conflict with "hpa"', "field": ".spec.replicas"}]}
TERMINATING = {
    "causes": [{"reason": "NamespaceTerminating", "message": "namespace shop is being terminated", "field": "metadata.namespace"}]
}


@pytest.mark.parametrize(
    ("response", "error", "text"),
    [
        pytest.param(
            refused(404, "NotFound", "x", {"kind": "namespaces", "name": "shop"}), DependencyMissing, "namespace shop", id="namespace"
        ),
        pytest.param(
            refused(404, "NotFound", "the server could not find the requested resource"), DependencyMissing, "requested", id="kind"
        ),
        pytest.param(Response(status=404, body=b"404 page not found\n"), DependencyMissing, "page not found", id="kind-plain-text"),
        pytest.param(
            refused(403, "Forbidden", "no new content", TERMINATING), DependencyMissing, "being deleted", id="namespace-terminating"
        ),
        pytest.param(refused(403, "Forbidden", "denied by webhook"), ManifestRejected, "denied by webhook", id="forbidden"),
        pytest.param(refused(409, "Conflict", "Apply failed", CONFLICT), Conflict, "hpa", id="field-manager"),
        pytest.param(refused(409, "AlreadyExists", "exists"), RevisionConflict, "exists", id="already-exists"),
        pytest.param(refused(409, "Conflict", "the object has been modified"), RevisionConflict, "modified", id="modified"),
        pytest.param(refused(400, "BadRequest", "cannot decode"), ManifestRejected, "cannot decode", id="bad-request"),
        pytest.param(refused(413, "RequestEntityTooLarge", "too large"), ManifestRejected, "too large", id="too-large"),
        pytest.param(refused(415, "UnsupportedMediaType", "media"), ManifestRejected, "media", id="media-type"),
        pytest.param(refused(422, "Invalid", "spec.selector: Required value"), ManifestRejected, "spec.selector", id="invalid"),
        pytest.param(refused(422, "Invalid", "x", {"causes": [{"field": "metadata.uid"}]}), RevisionConflict, "another object", id="uid"),
        pytest.param(refused(401, "Unauthorized", "Unauthorized"), MemberUnavailable, "credentials", id="unauthorized"),
        pytest.param(refused(408, "Timeout", "late"), MemberUnavailable, "late", id="timeout"),
        pytest.param(refused(410, "Expired", "too old resource version"), WatchExpired, "too old", id="expired"),
        pytest.param(refused(429, "TooManyRequests", "slow down"), MemberUnavailable, "slow down", id="too-many"),
        pytest.param(refused(500, "InternalError", "failed calling webhook"), MemberUnavailable, "webhook", id="internal"),
        pytest.param(Response(status=502, body=b"<html>bad gateway</html>"), MemberUnavailable, "bad gateway", id="proxy-page"),
        pytest.param(Response(status=503), MemberUnavailable, "HTTP 503", id="empty-body"),
    ],
)
def test_failure_of(response: Response, error: type[Exception], text: str) -> None:
    found = failure_of(response, cluster="m1", ref=REF)
    assert type(found) is error
    assert text in str(found)
    assert "m1" in str(found)


@pytest.mark.parametrize(
    ("response", "wait_s"),
    [
        pytest.param(refused(429, **{"retry-after": "7"}), 7.0, id="header"),
        pytest.param(refused(503, details={"retryAfterSeconds": 3}), 3.0, id="status"),
        pytest.param(refused(429, details={"retryAfterSeconds": 3}, **{"retry-after": "7"}), 7.0, id="header-first"),
        pytest.param(refused(500), None, id="neither"),
        pytest.param(refused(503, **{"retry-after": "Wed, 21 Oct 2026 07:28:00 GMT"}), None, id="date-is-left-to-the-back-off"),
    ],
)
def test_what_the_server_asks_to_wait(response: Response, wait_s: float | None) -> None:
    found = failure_of(response, cluster="m1", ref=None)
    assert isinstance(found, Retryable)
    assert found.retry_after_s == wait_s


def test_a_conflict_names_the_version_that_was_expected() -> None:
    found = failure_of(refused(409, "Conflict", "modified"), cluster="m1", ref=REF, expected="42")
    assert isinstance(found, RevisionConflict)
    assert found.expected == 42


@pytest.mark.parametrize("body", [b"", b"\xff\xfe", b"[1]", b'{"kind": "Pod"}', b'{"kind": "Status", "code": "x"}'])
def test_whatever_comes_has_a_status(body: bytes) -> None:
    assert status_of(Response(status=500, body=body)).code == 500
