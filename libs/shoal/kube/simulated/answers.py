"""Answers that a member gives beside its API server: refusals in Kubernetes' form."""

from __future__ import annotations

import msgspec

from shoal.kube.wire import Response


def refusal(code: int, reason: str, message: str) -> Response:
    """A Status that says no."""
    status = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "message": message, "reason": reason, "code": code}
    return Response(status=code, body=msgspec.json.encode(status))
