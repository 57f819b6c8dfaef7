"""New copies go only where their kind is served (C16)."""

from __future__ import annotations

from collections.abc import Iterator

from shoal.api.binding import Rejection
from shoal.domain.scheduling.question import Question, Refusal

_REFUSED = Rejection(reason="APINotEnabled", detail="cluster(s) did not have the API resource")


def api_enablement(question: Question) -> Iterator[Refusal]:
    """A kind that partial or unknown discovery does not list is no reason to leave, and none to come."""
    request, snapshot = question.request, question.snapshot
    served = snapshot.serving(request.api_version, request.ref.kind)
    yield snapshot.everything & ~served & ~question.current, _REFUSED
