"""Names that existing tooling expects of bindings, Works and execution namespaces (R2.1, R6.4)."""

from __future__ import annotations

from shoal.api.meta import Ref

_SAFE = "bcdfghjklmnpqrstvwxz2456789"
"""Kubernetes' alphabet for generated names: no vowels, so no words, and nothing that looks alike."""


def binding_name(ref: Ref) -> str:
    """`nginx-deployment`; a `:` in the name becomes a `.` (R2.1)."""
    return f"{ref.name}-{ref.kind}".lower().replace(":", ".")


def execution_namespace(cluster: str) -> str:
    return f"karmada-es-{cluster}"


def work_name(ref: Ref) -> str:
    """`<name>-<hash>`: 32-bit FNV-1a of namespace, name and kind in lower case, its decimal digits in the safe alphabet."""
    full = "-".join(part for part in (ref.namespace, ref.name, ref.kind) if part).lower().replace(":", ".")
    value = 0x811C9DC5
    for byte in full.encode():
        value = ((value ^ byte) * 0x01000193) & 0xFFFFFFFF
    digits = "".join(_SAFE[ord(digit) % len(_SAFE)] for digit in str(value))
    return f"{ref.name.lower().replace(':', '.')}-{digits}"
