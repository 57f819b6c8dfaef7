"""How often drift is corrected, and how objects wait for what is missing or in their way."""

from __future__ import annotations

import pytest

from shoal.api.meta import Ref
from shoal_agent.parked import Parked
from shoal_agent.reconcile import DRIFT_WINDOW_S, DriftBudget, DriftContested

REF, OTHER = Ref("apps", "Deployment", "shop", "web"), Ref("", "ConfigMap", "shop", "settings")


def test_drift_is_corrected_up_to_a_limit_per_minute_and_object():
    budget = DriftBudget(limit_per_minute=3)
    for second in range(3):
        budget.spend(REF, float(second))
    with pytest.raises(DriftContested, match="another controller") as error:
        budget.spend(REF, 3.0)
    assert error.value.retry_after_s == DRIFT_WINDOW_S
    budget.spend(OTHER, 3.0)
    budget.spend(REF, DRIFT_WINDOW_S + 0.5)
    assert (budget.spent(REF), budget.spent(OTHER)) == (4, 1)


def test_what_waits_for_something_missing_is_woken_by_whatever_appears():
    asked: list[tuple[Ref, float]] = []
    parked = Parked(lambda ref, after_s: asked.append((ref, after_s)), retry_s=10.0, refused_retry_s=20.0)
    parked.wait(REF)
    parked.look_again(OTHER)
    assert asked == [(REF, 10.0), (OTHER, 20.0)]
    asked.clear()
    parked.wake()
    assert asked == [(REF, 0.0)], "what somebody else's object stands in the way of is not helped by our own writes"
    asked.clear()
    parked.wake()
    assert asked == []
