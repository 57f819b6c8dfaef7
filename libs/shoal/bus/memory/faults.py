"""What goes wrong on the memory bus, and when."""

from __future__ import annotations

from random import Random


class Faults:
    """What goes wrong, decided by one `Random`: the same seed, the same trouble."""

    def __init__(self, random: Random | None = None) -> None:
        self.random = random or Random(0)
        self.lose_answers = 0.0
        """Share of writes that happen although the writer hears only a time-out."""
        self.lose_questions = 0.0
        """Share of writes and requests that do not happen, and the asker hears a time-out."""
        self.delay_s = (0.0, 0.0)
        """Least and most time that a delivery or an answer takes; each client still gets everything in order."""

    def happens(self, rate: float) -> bool:
        return rate > 0 and self.random.random() < rate

    def delay(self) -> float:
        low, high = self.delay_s
        return self.random.uniform(low, high) if high > 0 else 0.0
