"""The namespace `shop` and the policy that places its Deployments, as a user sends them."""

from __future__ import annotations

from typing import Any

from shoal.api.meta import Manifest


def shop(**spec: Any) -> list[Manifest]:
    """`spec`: of the policy, beside its selector."""
    return [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}},
        {
            "apiVersion": "policy.karmada.io/v1alpha1",
            "kind": "PropagationPolicy",
            "metadata": {"name": "shop", "namespace": "shop"},
            "spec": {"resourceSelectors": [{"apiVersion": "apps/v1", "kind": "Deployment"}], **spec},
        },
    ]
