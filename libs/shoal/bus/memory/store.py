"""A stream in memory: sequences, compare-and-set, batches, limits per subject, TTL with markers."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from shoal.api.errors import ManifestInvalid, RevisionConflict
from shoal.bus.port import BATCH, BATCH_COMMIT, BATCH_SEQUENCE, MARKER, MESSAGE_ID, TTL, Append, Config, Stored, subject_matches

_SECOND = 1_000_000_000
DUPLICATE_WINDOW_S = 120.0


class MemoryStream:
    """Calls `stored` for every new entry, in order; the bus takes it from there."""

    def __init__(
        self,
        config: Config,
        *,
        now: Callable[[], float],
        later: Callable[[float, Callable[[], None]], Any],
        stored: Callable[[MemoryStream, Stored], None],
    ) -> None:
        self.config, self.name = config, str(config["name"])
        self.entries: dict[int, Stored] = {}  # In order of sequence.
        self.last = int(config.get("first_seq", 1)) - 1
        self.consumers: dict[str, Config] = {}
        self.claims: dict[int, tuple[str, float, int]] = {}
        """Of a work queue: sequence -> (client that works on it, monotonic time before which nobody may, deliveries)."""
        self._by_subject: dict[str, deque[int]] = {}
        self._batches = 0
        self._ids: dict[str, tuple[int, float]] = {}
        self._now, self._later, self._stored = now, later, stored

    @property
    def first(self) -> int:
        return next(iter(self.entries), self.last + 1 if self.last else 0)

    def takes(self, subject: str) -> bool:
        return any(subject_matches(pattern, subject) for pattern in self.config.get("subjects", ()))

    # --- writing ---

    def append(self, item: Append) -> int:
        """As one server does it: the compare-and-set is checked before the message id."""
        self._check(item)
        known = self._known(item.headers.get(MESSAGE_ID, ""))
        return known if known is not None else self.store(item.subject, item.data, item.headers)

    def append_all(self, items: Sequence[Append]) -> int:
        for item in items:
            self._check(item)
            if self._known(item.headers.get(MESSAGE_ID, "")) is not None:
                raise RevisionConflict(item.subject, expected=item.expected or 0)
        self._batches += 1
        for number, item in enumerate(items, 1):
            marks = {BATCH: f"batch-{self._batches}", BATCH_SEQUENCE: str(number)} | ({BATCH_COMMIT: "1"} if number == len(items) else {})
            self.store(item.subject, item.data, item.headers | marks)
        return self.last

    def _check(self, item: Append) -> None:
        size = self.config.get("max_msg_size", -1)
        if 0 < size < len(item.data):
            raise ManifestInvalid(f"{item.subject[:200]}: larger than its stream takes")
        actual = self.last_sequence(item.subject)
        if item.expected is not None and actual != item.expected:
            raise RevisionConflict(item.subject, expected=item.expected, actual=actual)

    def _known(self, message_id: str) -> int | None:
        found = self._ids.get(message_id) if message_id else None
        return found[0] if found is not None and self._now() - found[1] < DUPLICATE_WINDOW_S else None

    def store(self, subject: str, data: bytes, headers: dict[str, str]) -> int:
        self.last += 1
        sequence = self.last
        entry = Stored(subject, sequence, data, dict(headers), self._now())
        self.entries[sequence] = entry
        revisions = self._by_subject.setdefault(subject, deque())
        revisions.append(sequence)
        limit = self.config.get("max_msgs_per_subject", -1)
        if 0 < limit < len(revisions):
            del self.entries[revisions.popleft()]
        if headers.get(MESSAGE_ID):
            self._ids[headers[MESSAGE_ID]] = (sequence, self._now())
        if TTL in headers and self.config.get("allow_msg_ttl"):
            self._later(_ttl_s(headers[TTL]), lambda: self._expire(sequence))
        self._stored(self, entry)
        return sequence

    def _expire(self, sequence: int) -> None:
        entry = self.entries.get(sequence)
        if entry is None:
            return
        was_last = self.last_sequence(entry.subject) == sequence
        self.delete(sequence)
        marker_s = self.config.get("subject_delete_marker_ttl", 0) / _SECOND
        if was_last and marker_s and MARKER not in entry.headers:
            self.store(entry.subject, b"", {MARKER: "MaxAge", TTL: f"{marker_s:g}s"})

    def delete(self, sequence: int) -> None:
        entry = self.entries.pop(sequence, None)
        if entry is not None:
            revisions = self._by_subject[entry.subject]
            revisions.remove(sequence)
            if not revisions:
                del self._by_subject[entry.subject]

    def purge(self, subject: str, below: int) -> None:
        for sequence in [s for s, e in self.entries.items() if s < below and subject_matches(subject, e.subject)]:
            self.delete(sequence)

    # --- reading ---

    def last_sequence(self, subject: str) -> int:
        revisions = self._by_subject.get(subject)
        return revisions[-1] if revisions else 0

    def last_entry(self, subject: str) -> Stored | None:
        return self.entries.get(self.last_sequence(subject))

    def matching(self, subjects: Sequence[str]) -> Iterator[str]:
        for subject in self._by_subject:
            if not subjects or any(subject_matches(pattern, subject) for pattern in subjects):
                yield subject

    def last_entries(self, subjects: Sequence[str], up_to: int | None = None) -> list[Stored]:
        revisions = (self._by_subject[subject] for subject in self.matching(subjects))
        last = (max((number for number in numbers if up_to is None or number <= up_to), default=0) for numbers in revisions)
        return [self.entries[sequence] for sequence in sorted(last) if sequence]

    def above(self, sequence: int, subjects: Sequence[str]) -> list[Stored]:
        wanted = set(self.matching(subjects))
        return [entry for entry in self.entries.values() if entry.sequence > sequence and entry.subject in wanted]

    def first_from(self, subject: str, sequence: int) -> Stored | None:
        revisions = self._by_subject.get(subject)
        if revisions is not None:
            return next((self.entries[number] for number in revisions if number >= sequence), None)
        return next(
            (entry for entry in self.entries.values() if entry.sequence >= sequence and subject_matches(subject, entry.subject)), None
        )


def _ttl_s(text: str) -> float:
    """`5s`, `1m0s` or a number of seconds."""
    minutes, _, seconds = text.rpartition("m")
    return float(minutes or 0) * 60 + float(seconds.removesuffix("s") or 0)
