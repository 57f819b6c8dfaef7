"""The numbers of a verdict, in seconds; the service's settings carry them, with these as defaults."""

from __future__ import annotations

from shoal.api.meta import Struct


class Thresholds(Struct, frozen=True, kw_only=True):
    beat_s: float = 2.0
    """How often an agent beats; also the longest gap after which the monitor still counts as having listened."""
    suspect_after_s: float = 4.0
    """Two beats missed: nothing is decided yet, but people see it."""
    lost_after_s: float = 6.0
    """The grace: three beats missed. A lost cluster's workloads move, so it outlasts a restart of the agent (3 s)."""
    never_after_s: float = 60.0
    """A cluster that joined and never beat is said to be unknown after this long (R10.3)."""
    steady_s: float = 6.0
    """Unbroken beats before a Lost cluster is Ready again; doubled for every further loss in the window below."""
    steady_max_s: float = 600.0
    loss_window_s: float = 3600.0
    """Losses older than this are forgiven."""
