"""Objects that wait for something in the member: that their namespace or kind appears, or that what stands in their way goes."""

from __future__ import annotations

from collections.abc import Callable

from shoal.api.meta import Ref


class Parked:
    """They wait with a reason in their report, not in an error loop."""

    def __init__(self, again: Callable[[Ref, float], None], *, retry_s: float, refused_retry_s: float) -> None:
        self._again, self._retry_s, self._refused_retry_s = again, retry_s, refused_retry_s
        self._waiting: set[Ref] = set()

    def wait(self, ref: Ref) -> None:
        """For what is missing: whatever is applied wakes it, else a timer."""
        self._waiting.add(ref)
        self._again(ref, self._retry_s)

    def look_again(self, ref: Ref) -> None:
        """For what stands in the way: a slower timer alone, because one look may cost a list of every kind, and our own writes end nothing."""
        self._again(ref, self._refused_retry_s)

    def wake(self) -> None:
        """Something new is in the member: everybody looks again."""
        waiting, self._waiting = self._waiting, set()
        for ref in waiting:
            self._again(ref, 0.0)
