"""Every error that may cross a wall. An error says what to do next: `Retryable` or `Terminal`; anything else is a bug."""

from __future__ import annotations

from shoal.api.meta import Ref


class ShoalError(Exception):
    """Base of all expected errors."""

    reason = "Error"
    """PascalCase word that users see as the reason of a condition or an answer."""


class Retryable(ShoalError):
    """May succeed later without anybody changing anything."""

    def __init__(self, message: str, *, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s
        """A lower bound that the other side asked for, in seconds; None leaves it to the caller's back-off."""


class Terminal(ShoalError):
    """No retry can help; somebody has to change something. The text says what."""


class RevisionConflict(Retryable):
    """A compare-and-set met another revision than the one that was read: read again and decide again."""

    reason = "RevisionConflict"

    def __init__(self, subject: str, *, expected: int, actual: int | None = None) -> None:
        super().__init__(f"{subject} is not at revision {expected} any more" + (f" but at {actual}" if actual is not None else ""))
        self.expected, self.actual = expected, actual


class BusUnavailable(Retryable):
    """The bus did not answer in time, or has no leader; what was asked may or may not have happened."""

    reason = "BusUnavailable"


class InputsBehindOutput(Terminal):
    """An entry names an input revision above its stream's last sequence: the bus was restored to an earlier state."""

    reason = "BusWentBack"


class StreamDrifted(Terminal):
    """A stream is missing though it is expected, or its configuration is not the one this version asks for."""

    reason = "StreamDrifted"


class SettingInvalid(Terminal):
    """A setting cannot be used; the text names the variable and what to write."""

    reason = "SettingInvalid"


class AlreadyInUse(Terminal):
    """A port, a directory or a name belongs to someone else already."""

    reason = "AlreadyInUse"


class ManifestInvalid(Terminal):
    """A manifest cannot be accepted at the door; `violations` lists every field with what to write."""

    reason = "Invalid"

    def __init__(self, message: str, violations: tuple[tuple[str, str], ...] = ()) -> None:
        super().__init__(message)
        self.violations = violations
        """(field path, sentence) pairs."""


class DeployRefused(Terminal):
    """A deploy event cannot be accepted; `reason` is one of the words of `docs/guide.md`."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class MemberUnavailable(Retryable):
    """A member's API server did not answer, answered 5xx, 408 or 429, or the connection broke."""

    reason = "MemberUnavailable"


class DependencyMissing(Retryable):
    """The member does not have the namespace or the kind (CRD) that an object needs; it is tried again when that appears."""

    reason = "DependencyMissing"


class ManifestRejected(Terminal):
    """The member's API server found the manifest invalid (400, 403, 413, 422); no retry can help."""

    reason = "ManifestRejected"

    def __init__(self, cluster: str, manifest: Ref, cause: str) -> None:
        super().__init__(f"{cluster} rejected {manifest}: {cause}")


class Conflict(Terminal):
    """The member has an object of that name that Shoal does not own, and the policy says to leave it alone (R6.9)."""

    reason = "Conflict"
