"""Answers that are not a success: `StatusError` and one function per kind of refusal, in the words of a real API server."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from shoal.api.errors import ShoalError

if TYPE_CHECKING:
    from shoal.kube.apiserver.registry import ResourceType


class Cause(NamedTuple):
    """One field that is wrong."""

    field: str
    """`spec.replicas`, `spec.ports[0].port`."""
    reason: str
    """FieldValueRequired, FieldValueInvalid, FieldValueDuplicate, FieldValueForbidden, FieldValueNotSupported, FieldValueTypeInvalid."""
    message: str
    """`Required value`, `Invalid value: -1: must be greater than or equal to 0`."""


class StatusError(ShoalError):
    """An answer of 400 or above, as a Kubernetes `Status`. Admission may raise it to refuse a write."""

    def __init__(self, code: int, reason: str, message: str, details: dict[str, Any] | None = None) -> None:
        super().__init__(message)
        self.code, self.reason, self.message, self.details = code, reason, message, details or {}

    def status(self) -> dict[str, Any]:
        """The body of the answer."""
        return failure(self.code, self.reason, self.message, self.details)


def failure(code: int, reason: str, message: str, details: dict[str, Any] | None = None) -> dict[str, Any]:
    """A `Status` object of a failure."""
    out: dict[str, Any] = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "message": message}
    if reason:
        out["reason"] = reason
    if details:
        out["details"] = details
    return {**out, "code": code}


def success(details: dict[str, Any]) -> dict[str, Any]:
    """A `Status` object of a success, such as the answer to a deletion."""
    return {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details}


def _details(resource: ResourceType, name: str) -> dict[str, Any]:
    out = {"name": name, "group": resource.group, "kind": resource.plural}
    return {key: value for key, value in out.items() if value}


def not_found(resource: ResourceType, name: str) -> StatusError:
    return StatusError(404, "NotFound", f'{resource.resource} "{name}" not found', _details(resource, name))


def no_such_path() -> StatusError:
    return StatusError(404, "NotFound", "the server could not find the requested resource")


def invalid_options(method: str, cause: Cause) -> StatusError:
    """422 about a parameter of the request itself."""
    kind = {"POST": "CreateOptions", "PUT": "UpdateOptions", "DELETE": "DeleteOptions"}.get(method, "PatchOptions")
    causes = [{"reason": cause.reason, "message": cause.message, "field": cause.field}]
    details = {"group": "meta.k8s.io", "kind": kind, "causes": causes}
    return StatusError(422, "Invalid", f'{kind}.meta.k8s.io "" is invalid: {cause.field}: {cause.message}', details)


def namespace_not_found(namespace: str) -> StatusError:
    return StatusError(404, "NotFound", f'namespaces "{namespace}" not found', {"name": namespace, "kind": "namespaces"})


def namespace_terminating(resource: ResourceType, name: str, namespace: str) -> StatusError:
    because = f"unable to create new content in namespace {namespace} because it is being terminated"
    details = {
        **_details(resource, name),
        "causes": [{"reason": "NamespaceTerminating", "message": because, "field": "metadata.namespace"}],
    }
    return StatusError(403, "Forbidden", f'{resource.resource} "{name}" is forbidden: {because}', details)


def forbidden(resource: ResourceType, name: str, because: str) -> StatusError:
    return StatusError(403, "Forbidden", f'{resource.resource} "{name}" is forbidden: {because}', _details(resource, name))


def already_exists(resource: ResourceType, name: str) -> StatusError:
    return StatusError(409, "AlreadyExists", f'{resource.resource} "{name}" already exists', _details(resource, name))


def conflict(resource: ResourceType, name: str, because: str = "") -> StatusError:
    because = because or "the object has been modified; please apply your changes to the latest version and try again"
    message = f'Operation cannot be fulfilled on {resource.resource} "{name}": {because}'
    return StatusError(409, "Conflict", message, _details(resource, name))


def bad_request(message: str) -> StatusError:
    return StatusError(400, "BadRequest", message)


def invalid(resource: ResourceType, name: str, causes: list[Cause]) -> StatusError:
    """422 with every field that is wrong."""
    told = [f"{cause.field}: {cause.message}" for cause in causes]
    listed = told[0] if len(told) == 1 else "[" + ", ".join(told) + "]"
    details: dict[str, Any] = {"name": name, "group": resource.group, "kind": resource.kind}
    details = {key: value for key, value in details.items() if value}
    details["causes"] = [{"reason": cause.reason, "message": cause.message, "field": cause.field} for cause in causes]
    return StatusError(422, "Invalid", f'{resource.qualified_kind} "{name}" is invalid: {listed}', details)


def method_not_allowed() -> StatusError:
    return StatusError(405, "MethodNotAllowed", "the server does not allow this method on the requested resource")


def not_acceptable(supported: str) -> StatusError:
    return StatusError(406, "NotAcceptable", f"only the following media types are accepted: {supported}")


def unsupported_media_type(supported: str) -> StatusError:
    message = f"the body of the request was in an unknown format - accepted media types include: {supported}"
    return StatusError(415, "UnsupportedMediaType", message)


def too_large(limit: int) -> StatusError:
    return StatusError(413, "RequestEntityTooLarge", f"Request entity too large: limit is {limit}")


def expired(message: str) -> StatusError:
    return StatusError(410, "Expired", message)


def too_new(asked: int, current: int) -> StatusError:
    details = {"causes": [{"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}], "retryAfterSeconds": 1}
    return StatusError(504, "Timeout", f"Timeout: Too large resource version: {asked}, current: {current}", details)


def internal(message: str) -> StatusError:
    return StatusError(500, "InternalError", f"Internal error occurred: {message}")
