"""From what member clusters report to what the hub says of a template: its copies, whether all are applied, its merged status.

Belongs here: which reports count for which assignment, and the copies. Does not belong here: how the statuses of one kind are merged;
that is `interpreting.aggregate`, which the caller passes in as `merge`.
"""

from __future__ import annotations

from shoal.domain.aggregating.aggregate import Evidence, Merge, aggregate, template_status

__all__ = ["Evidence", "Merge", "aggregate", "template_status"]
