"""Access reviews: questions that are answered and not stored. This server has no rules of its own: who passed the door may do all."""

from __future__ import annotations

from shoal.api.meta import Manifest

GROUP = "authorization.k8s.io"


def answer(sent: Manifest) -> Manifest:
    """The review with its answer."""
    if sent["kind"] == "SelfSubjectRulesReview":
        everything = {"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}
        urls = {"verbs": ["*"], "nonResourceURLs": ["*"]}
        return {**sent, "status": {"resourceRules": [everything], "nonResourceRules": [urls], "incomplete": False}}
    return {**sent, "status": {"allowed": True, "reason": "this server asks nobody"}}
