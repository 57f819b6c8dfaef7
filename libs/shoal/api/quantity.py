"""Kubernetes quantities (`"500m"`, `"7Gi"`, `"2e3"`) as whole thousandths, so that sums and quotients are exact."""

from __future__ import annotations

import re
from decimal import Decimal
from functools import lru_cache

_FORM = re.compile(r"([+-]?(?:\d+\.?\d*|\.\d+))(?:([eE][+-]?\d{1,3})|([KMGTPE]i|[numkMGTPE]))?\Z")
"""Exponents of three digits at most: Kubernetes ends at 2**63, and larger ones would cost seconds or overflow."""
_SCALE = {
    "": Decimal(1), "n": Decimal("1e-9"), "u": Decimal("1e-6"), "m": Decimal("1e-3"),
    "k": Decimal("1e3"), "M": Decimal("1e6"), "G": Decimal("1e9"), "T": Decimal("1e12"), "P": Decimal("1e15"), "E": Decimal("1e18"),
    "Ki": Decimal(2**10), "Mi": Decimal(2**20), "Gi": Decimal(2**30), "Ti": Decimal(2**40), "Pi": Decimal(2**50), "Ei": Decimal(2**60),
}  # fmt: skip


@lru_cache(maxsize=4096)
def milli(quantity: str) -> int:
    """Thousandths of the unit (CPU: milli cores; memory: thousandths of a byte), rounded up as Kubernetes does.

    Raises ValueError when the text is no quantity.
    """
    form = _FORM.match(quantity)
    if form is None or len(quantity) > 64:
        raise ValueError(f"{quantity[:64]!r} is no quantity; write a number with an optional suffix such as m, k, Mi, Gi")
    number, exponent, suffix = form.groups()
    value = Decimal(number + (exponent or "")) * _SCALE[suffix or ""] * 1000
    whole = int(value)
    return whole + 1 if value > whole else whole


def text(amount: int) -> str:
    """Thousandths as a quantity: whole numbers plain, others in thousandths (`3920m`)."""
    return str(amount // 1000) if amount % 1000 == 0 else f"{amount}m"
