from __future__ import annotations

import pytest

from shoal.api.meta import Condition
from shoal.api.remedy import ClusterConditionMatch, DecisionMatch, RemedyAffinity, RemedySpec
from shoal.domain.health.remedies import remedy_actions

DNS = "ServiceDomainNameResolutionReady"
FOUND = (Condition(type="Ready", status="True"), Condition(type=DNS, status="False"))


def when(kind: str, operator: str, status: str) -> DecisionMatch:
    return DecisionMatch(
        cluster_condition_match=ClusterConditionMatch(condition_type=kind, operator=operator, condition_status=status),
    )


def remedy(*matches: DecisionMatch, to: tuple[str, ...] | None = None) -> RemedySpec:
    affinity = RemedyAffinity(cluster_names=to) if to is not None else None
    return RemedySpec(cluster_affinity=affinity, decision_matches=matches, actions=("TrafficControl",))


ALWAYS = RemedySpec(actions=("TrafficControl",))


@pytest.mark.spec("R15.5", "U05")
@pytest.mark.parametrize(
    ("remedies", "acts"),
    [
        pytest.param((), False, id="no-remedy"),
        pytest.param((ALWAYS,), True, id="no-list-of-matches-is-always"),
        pytest.param((remedy(),), False, id="an-empty-list-is-never"),
        pytest.param((remedy(DecisionMatch()),), False, id="a-match-of-nothing"),
        pytest.param((remedy(when(DNS, "Equal", "False")),), True, id="equal"),
        pytest.param((remedy(when(DNS, "Equal", "True")),), False, id="not-that-status"),
        pytest.param((remedy(when(DNS, "NotEqual", "True")),), True, id="not-equal"),
        pytest.param((remedy(when("Unheard", "NotEqual", "True")),), False, id="a-condition-that-is-not-there"),
        pytest.param((remedy(when("Ready", "Equal", "False"), when(DNS, "Equal", "False")),), True, id="one-of-several-holds"),
        pytest.param((remedy(when(DNS, "Equal", "False"), to=("m1",)),), True, id="this-cluster"),
        pytest.param((remedy(when(DNS, "Equal", "False"), to=("m2",)),), False, id="another-cluster"),
        pytest.param((remedy(when(DNS, "Equal", "False"), to=()),), False, id="no-cluster-is-named"),
        pytest.param((remedy(when(DNS, "Equal", "True")), ALWAYS), True, id="the-union-of-all"),
        pytest.param((ALWAYS, remedy(when(DNS, "Equal", "False"))), True, id="each-action-once"),
    ],
)
def test_remedy_actions(remedies: tuple[RemedySpec, ...], acts: bool) -> None:
    assert remedy_actions("m1", FOUND, remedies) == (("TrafficControl",) if acts else ())
