"""How many nodes are of which grade."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shoal.api.cluster import Grade
from shoal.api.nodes import NodeRoom
from shoal.api.quantity import milli
from shoal.domain.estimating import count_by_grade

CORDONED = {"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule"}
RESERVED = {"key": "team", "value": "a", "effect": "NoSchedule"}


def node(*, pods="10", taints=(), **free):
    return NodeRoom(name="n", taints=taints, free={name: milli(text) for name, text in {"pods": pods, **free}.items() if text})


def grades(*bounds, first=0):
    return tuple(Grade(number=number, least=least) for number, least in enumerate(bounds, first))


CPU = grades({"cpu": "0"}, {"cpu": "1"}, {"cpu": "2"})
BOTH = grades({"cpu": "0", "memory": "0"}, {"cpu": "1", "memory": "4Gi"}, {"cpu": "2", "memory": "16Gi"})
GPU = grades({"cpu": "0", "nvidia.com/gpu": "0"}, {"cpu": "1", "nvidia.com/gpu": "1"})
FULL = node(pods="0", cpu="2")


# "Each node's free resources are graded by the highest grade whose lower bound is <= free for every modelled resource."
@pytest.mark.spec("R4.18", "L11")
@pytest.mark.parametrize(
    ("nodes", "by", "counts"),
    [
        pytest.param((), CPU, {0: 0, 1: 0, 2: 0}, id="no-nodes"),
        pytest.param((node(cpu="2"),), (), {}, id="no-grades"),
        pytest.param((node(cpu="1"),), CPU, {0: 0, 1: 1, 2: 0}, id="exactly-the-lower-bound"),
        pytest.param((node(cpu="1999m"),), CPU, {0: 0, 1: 1, 2: 0}, id="a-thousandth-below-the-next"),
        pytest.param((node(cpu="64"),), CPU, {0: 0, 1: 0, 2: 1}, id="the-highest-has-no-end"),
        pytest.param((node(cpu="0"),), CPU, {0: 1, 1: 0, 2: 0}, id="nothing-left"),
        pytest.param((node(cpu="-1"),), CPU, {0: 1, 1: 0, 2: 0}, id="more-promised-than-there-is"),
        pytest.param((node(cpu="8", memory="4Gi"),), BOTH, {0: 0, 1: 1, 2: 0}, id="the-scarcest-resource-decides"),
        pytest.param((node(cpu="8", memory="1Gi"),), BOTH, {0: 1, 1: 0, 2: 0}, id="one-resource-lacks"),
        pytest.param((node(cpu="8"),), GPU, {0: 1, 1: 0}, id="a-resource-it-does-not-have"),
        pytest.param((node(cpu="8", **{"nvidia.com/gpu": "2"}),), GPU, {0: 0, 1: 1}, id="an-extended-resource"),
        pytest.param((node(cpu="1", memory="64Gi"),), CPU, {0: 0, 1: 1, 2: 0}, id="what-no-grade-names-does-not-count"),
        pytest.param((node(cpu="3"),), grades({"cpu": "0"}, {"cpu": "2"}, first=1), {1: 0, 2: 1}, id="grades-keep-their-numbers"),
        pytest.param((node(cpu="1"), node(cpu="1"), node(cpu="2")), CPU, {0: 0, 1: 2, 2: 1}, id="several"),
        pytest.param((node(cpu="2", taints=(RESERVED,)),), CPU, {0: 0, 1: 0, 2: 1}, id="taints-are-unknown-here"),
    ],
)
def test_count_by_grade(nodes, by, counts):
    assert count_by_grade(nodes, by) == counts


# Karmada: "A node with no free pod slot ends the loop: later nodes are not counted." Here only that node is left out.
@pytest.mark.spec("R4.18", "GX18")
@pytest.mark.parametrize(
    "idle",
    [
        pytest.param(FULL, id="no-free-pod-slot"),
        pytest.param(node(pods="-2", cpu="2"), id="more-pods-than-slots"),
        pytest.param(node(pods="", cpu="2"), id="takes-no-pods-at-all"),
        pytest.param(node(cpu="2", taints=(RESERVED, CORDONED)), id="cordoned"),
    ],
)
@pytest.mark.parametrize("place", [0, 1, 2], ids=["first", "between", "last"])
def test_a_node_that_takes_nothing_is_left_out_and_the_others_count(idle, place):
    nodes = [node(cpu="1"), node(cpu="2")]
    nodes.insert(place, idle)
    assert count_by_grade(nodes, CPU) == {0: 0, 1: 1, 2: 1}


AMOUNTS = st.integers(-2_000, 200_000)
NODES = st.lists(
    st.builds(
        lambda free, taints: NodeRoom(name="n", free=free, taints=taints),
        st.dictionaries(st.sampled_from(("cpu", "memory", "pods", "gpu")), AMOUNTS),
        st.sampled_from(((), (RESERVED,), (CORDONED,))),
    ),
    max_size=30,
)
STEPS = st.lists(st.tuples(st.integers(1, 50), st.integers(1, 50)), max_size=8)


@pytest.mark.spec("R4.18", "L11")
@given(NODES, STEPS, st.randoms(use_true_random=False))
def test_every_node_that_takes_pods_is_counted_once_in_any_order(nodes, steps, chance):
    bounds = [(0, 0)]
    for cpu, memory in steps:
        bounds.append((bounds[-1][0] + cpu, bounds[-1][1] + memory))
    by = grades(*({"cpu": str(cpu), "memory": str(memory)} for cpu, memory in bounds))
    counts = count_by_grade(nodes, by)
    taking = [one for one in nodes if one.free.get("pods", 0) >= 1000 and CORDONED not in one.taints]
    assert sum(counts.values()) == len(taking)
    for number, (cpu, memory) in enumerate(bounds[1:], 1):
        holding = [one for one in taking if one.free.get("cpu", 0) >= cpu * 1000 and one.free.get("memory", 0) >= memory * 1000]
        assert sum(counts[higher] for higher in range(number, len(by))) == len(holding)
    shuffled = list(nodes)
    chance.shuffle(shuffled)
    assert count_by_grade(shuffled, by) == counts
