"""The nodes of a member cluster and its quotas, as far as they say how many pods still fit."""

from __future__ import annotations

from typing import Any

import msgspec


class NodeRoom(msgspec.Struct, frozen=True, kw_only=True):
    """One node."""

    name: str
    labels: dict[str, str] = {}
    taints: tuple[dict[str, Any], ...] = ()
    """As Kubernetes writes them; `unschedulable` is one of them."""
    free: dict[str, int] = {}
    """Resource -> thousandths that no pod on it has asked for, `pods` among them."""


class QuotaRoom(msgspec.Struct, frozen=True, kw_only=True):
    """One ResourceQuota of a namespace."""

    name: str
    free: dict[str, int] = {}
    """Resource as the quota names it (`requests.cpu`, `cpu`, `pods`, `count/pods`) -> thousandths that are left."""
    priority_classes: tuple[str, ...] = ()
    """It counts only pods of these classes; empty: all."""
