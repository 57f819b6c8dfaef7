"""Objects that wait for their namespace or kind to appear in the member."""

from __future__ import annotations

from collections.abc import Callable

from shoal.api.meta import Ref


class Parked:
    """They wait with a reason in their report, not in an error loop: whatever was applied wakes them, else a slow timer."""

    def __init__(self, again: Callable[[Ref, float], None], retry_s: float) -> None:
        self._again, self._retry_s = again, retry_s
        self._waiting: set[Ref] = set()

    def wait(self, ref: Ref) -> None:
        self._waiting.add(ref)
        self._again(ref, self._retry_s)

    def wake(self) -> None:
        """Something new is in the member: everybody looks again."""
        waiting, self._waiting = self._waiting, set()
        for ref in waiting:
            self._again(ref, 0.0)
