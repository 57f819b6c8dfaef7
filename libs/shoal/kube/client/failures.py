"""An API server's refusal -> the error of `shoal.api.errors` that says what to do next."""

from __future__ import annotations

import msgspec

from shoal.api.errors import Conflict, DependencyMissing, ManifestRejected, MemberUnavailable, RevisionConflict, ShoalError
from shoal.api.meta import Ref
from shoal.kube.wire import Response


class WatchExpired(MemberUnavailable):
    """A watch or the next page of a list asks for a version that the server has forgotten (410): only a new list helps."""

    reason = "WatchExpired"


class Cause(msgspec.Struct, frozen=True):
    reason: str = ""
    message: str = ""
    field: str = ""


class Details(msgspec.Struct, frozen=True, rename="camel"):
    kind: str = ""
    name: str = ""
    group: str = ""
    causes: tuple[Cause, ...] = ()
    retry_after_seconds: int = 0


class Status(msgspec.Struct, frozen=True):
    """`metav1.Status`, reduced to what decides."""

    kind: str = ""
    reason: str = ""
    message: str = ""
    code: int = 0
    details: Details | None = None


_DECODER = msgspec.json.Decoder(Status)
_TEXT_MAX = 500
"""Characters of an answer that is no Status (a proxy's page) that are worth showing."""


def status_of(response: Response) -> Status:
    """The Status in an answer; where there is none, one made of the HTTP status and the text."""
    try:
        status = _DECODER.decode(response.body)
        if status.kind == "Status":
            return status
    except msgspec.MsgspecError:
        pass  # Proxies and old servers answer plain text; the HTTP status decides then.
    text = response.body[:_TEXT_MAX].decode(errors="replace").strip()
    return Status(code=response.status, message=text or f"HTTP {response.status}")


def failure_of(response: Response, *, cluster: str, ref: Ref | None, expected: str = "") -> ShoalError:
    """The error for an answer that is not 2xx.

    `ref` names the object of the request, None for requests about none; `expected` is the resourceVersion that the request insisted on.
    """
    status = status_of(response)
    code, subject = response.status, ref or Ref("", "API", "", cluster)
    where = f"{cluster}: {subject}: {status.message}"
    if code == 404:
        return DependencyMissing(f"{cluster} cannot take {subject} yet: {_what_is_missing(status)}")
    if code == 409:
        return _conflict(status, cluster, subject, expected)
    if code == 403 and _namespace_ends(status):
        return DependencyMissing(f"{cluster} cannot take {subject} yet: its namespace is being deleted")
    if code == 401:
        return MemberUnavailable(f"{where} (the credentials are not accepted; a rotated token or another kubeconfig helps)")
    if code == 410:
        return WatchExpired(f"{where} (the list is too old and has to be read again)")
    if code in {408, 429} or code >= 500:
        return MemberUnavailable(where, retry_after_s=_retry_after_s(response, status))
    if _another_uid(status):
        return RevisionConflict(f"{subject} in {cluster} (it is another object by now)", expected=0)
    return ManifestRejected(cluster, subject, status.message)


def _what_is_missing(status: Status) -> str:
    details = status.details
    if details and details.kind == "namespaces":
        return f"namespace {details.name} does not exist"
    return status.message or "its kind is not served"


def _conflict(status: Status, cluster: str, subject: Ref, expected: str) -> ShoalError:
    causes = status.details.causes if status.details else ()
    others = [cause for cause in causes if cause.reason == "FieldManagerConflict"]
    if others:
        fields = ", ".join(f"{cause.field} ({cause.message})" for cause in others[:10])
        return Conflict(f"{cluster}: fields of {subject} belong to others: {fields}")
    # A precondition that did not hold, or an object that somebody else created meanwhile: read again and decide again.
    return RevisionConflict(f"{subject} in {cluster} ({status.message})", expected=int(expected) if expected.isdigit() else 0)


def _another_uid(status: Status) -> bool:
    """An apply that names the uid of an object which was made anew meanwhile is answered 422, as if the uid were a field to change."""
    causes = status.details.causes if status.details else ()
    return bool(causes) and all(cause.field == "metadata.uid" for cause in causes)


def _namespace_ends(status: Status) -> bool:
    causes = status.details.causes if status.details else ()
    return any(cause.reason == "NamespaceTerminating" for cause in causes) or "because it is being terminated" in status.message


def _retry_after_s(response: Response, status: Status) -> float | None:
    """Seconds that the server asks us to wait: of the header, else of the Status."""
    header = response.headers.get("retry-after", "")
    if header.isdigit():
        return float(header)
    if status.details and status.details.retry_after_seconds > 0:
        return float(status.details.retry_after_seconds)
    return None
