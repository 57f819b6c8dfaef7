"""What an override that cannot be applied says."""

from __future__ import annotations

from shoal.api.errors import Terminal


class OverrideFailed(Terminal):
    """An overrider cannot be applied to this object; nothing is rendered for the cluster until somebody changes the policy (R5.6).

    The text names the policy, the rule, the overrider, the path and what is wrong.
    """

    reason = "ApplyOverridePolicyFailed"


class Unusable(Exception):
    """Inside this package: one overrider is wrong, and why. `render` adds the policy and the rule."""
