"""Who may act in which member cluster, by the hub's own RBAC (R15.12). Not here: who may write what in the hub."""

from shoal.domain.access.impersonating import GROUP, NAME, impersonated, parts_of

__all__ = ["GROUP", "NAME", "impersonated", "parts_of"]
