from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shoal.api.cluster import Taint
from shoal.api.meta import Condition
from shoal.api.taint_policy import ClusterTaintPolicySpec, MatchCondition, PolicyTaint
from shoal.domain.health.taint_policies import Tainting, policy_taints

READY, DOWN = (Condition(type="Ready", status="True"),), (Condition(type="Ready", status="Unknown"),)
CUT, GPU = Taint(key="cut", effect="NoSchedule"), Taint(key="gpu", effect="NoSchedule")


def when(kind: str, operator: str, *statuses: str) -> MatchCondition:
    return MatchCondition(condition_type=kind, operator=operator, status_values=statuses)


def policy(
    *,
    add: tuple[MatchCondition, ...] = (),
    remove: tuple[MatchCondition, ...] = (),
    selects: bool = True,
    key: str = "cut",
    value: str = "",
) -> Tainting:
    taints = (PolicyTaint(key=key, effect="NoSchedule", value=value),)
    return Tainting(ClusterTaintPolicySpec(add_on_conditions=add, remove_on_conditions=remove, taints=taints), selects)


NOT_TRUE, IS_TRUE = when("Ready", "NotIn", "True"), when("Ready", "In", "True")
USUAL = policy(add=(NOT_TRUE,), remove=(IS_TRUE,))


@pytest.mark.spec("R10.6", "A06")
@pytest.mark.parametrize(
    ("standing", "found", "policies", "expected"),
    [
        pytest.param((), DOWN, (USUAL,), (CUT,), id="the-conditions-to-add-hold"),
        pytest.param((), READY, (USUAL,), (), id="they-do-not"),
        pytest.param((CUT,), READY, (USUAL,), (), id="the-conditions-to-remove-hold"),
        pytest.param((CUT,), READY, (policy(add=(NOT_TRUE,)),), (CUT,), id="nothing-removes-it"),
        pytest.param((), DOWN, (policy(),), (), id="an-empty-list-never-adds"),
        pytest.param((CUT,), DOWN, (policy(),), (CUT,), id="nor-removes"),
        pytest.param((), DOWN, (policy(add=(NOT_TRUE, IS_TRUE)),), (), id="all-have-to-hold"),
        pytest.param((), DOWN, (policy(add=(when("Unheard", "NotIn", "True"),)),), (), id="a-condition-that-is-not-there"),
        pytest.param((CUT,), DOWN, (policy(add=(NOT_TRUE,), remove=(NOT_TRUE,)),), (), id="adding-comes-before-removing"),
        pytest.param((), DOWN, (policy(add=(NOT_TRUE,), selects=False),), (), id="it-does-not-select-the-cluster"),
        pytest.param(
            (CUT,), READY, (policy(add=(NOT_TRUE,), remove=(IS_TRUE,), selects=False),), (CUT,), id="narrowed-it-leaves-the-taint"
        ),
        pytest.param((CUT,), READY, (), (), id="the-last-policy-that-names-it-is-gone"),
        pytest.param((CUT, GPU), READY, (policy(add=(NOT_TRUE,), key="gpu"),), (GPU,), id="only-what-is-named"),
        pytest.param((CUT,), DOWN, (policy(add=(NOT_TRUE,), value="x"),), (Taint(key="cut", value="x", effect="NoSchedule"),), id="value"),
        pytest.param(
            (), DOWN, (policy(add=(NOT_TRUE,)), policy(add=(NOT_TRUE,), value="y")), (Taint(key="cut", value="y"),), id="the-later-wins"
        ),
    ],
)
def test_policy_taints(
    standing: tuple[Taint, ...], found: tuple[Condition, ...], policies: tuple[Tainting, ...], expected: tuple[Taint, ...]
) -> None:
    assert policy_taints(standing, found, policies) == expected


statuses = st.sampled_from(("True", "False", "Unknown"))
matches = st.lists(st.builds(when, st.sampled_from(("Ready", "Disk")), st.sampled_from(("In", "NotIn")), statuses), max_size=2).map(tuple)
policies = st.lists(st.builds(policy, add=matches, remove=matches, selects=st.booleans(), key=st.sampled_from(("cut", "gpu"))), max_size=4)


@pytest.mark.spec("R10.6")
@given(policies, statuses, statuses)
def test_looking_again_changes_nothing(taintings: list[Tainting], ready: str, disk: str) -> None:
    found = (Condition(type="Ready", status=ready), Condition(type="Disk", status=disk))
    once = policy_taints((), found, taintings)
    assert policy_taints(once, found, taintings) == once
