"""Sets of clusters say the same as a walk over the clusters."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from shoal.api.meta import LabelSelector, Requirement
from shoal.api.policy import ClusterAffinity, FieldSelector
from shoal.api.selecting import cluster_matches
from shoal.domain.scheduling import Snapshot
from support import build

NAMES = ("m1", "m2", "m3", "m4", "m5")
OPERATORS = st.sampled_from(("In", "NotIn", "Exists", "DoesNotExist"))
labels = st.dictionaries(st.sampled_from("ab"), st.sampled_from("xy"), max_size=2)
terms = st.builds(
    Requirement, key=st.sampled_from("abc"), operator=OPERATORS, values=st.lists(st.sampled_from("xyz"), max_size=2).map(tuple)
)
fields = st.builds(
    Requirement,
    key=st.sampled_from(("provider", "region", "zone")),
    operator=OPERATORS,
    values=st.lists(st.sampled_from("pqr"), max_size=2).map(tuple),
)
names = st.lists(st.sampled_from((*NAMES, "unknown")), max_size=3).map(tuple)
affinities = st.builds(
    ClusterAffinity,
    label_selector=st.none() | st.builds(LabelSelector, match_labels=labels, match_expressions=st.lists(terms, max_size=2).map(tuple)),
    field_selector=st.none() | st.builds(FieldSelector, match_expressions=st.lists(fields, max_size=2).map(tuple)),
    cluster_names=names,
    exclude=names,
)
place = st.sampled_from(("", "p", "q"))
fleet = st.tuples(
    *(
        st.builds(
            build.cluster,
            st.just(name),
            labels=labels,
            provider=place,
            region=place,
            zones=st.lists(st.sampled_from("pq"), max_size=2).map(tuple),
        )
        for name in NAMES
    )
)


@given(affinities, fleet)
def test_matching_is_cluster_matches(affinity, clusters):
    snapshot = Snapshot(clusters)
    assert list(snapshot.names_in(snapshot.matching(affinity))) == [c.name for c in clusters if cluster_matches(affinity, c)]


@given(st.permutations(NAMES))
def test_the_order_of_the_clusters_says_nothing(order):
    snapshot = Snapshot(build.cluster(name) for name in order)
    assert list(snapshot.names_in(snapshot.everything)) == list(NAMES)
    assert snapshot.names_in(snapshot.bits(("m4", "m2"))).__next__() == "m2"


def test_unknown_clusters_are_the_empty_set():
    snapshot = Snapshot([build.cluster("m1")])
    assert (snapshot.bit("x"), snapshot.get("x"), "x" in snapshot, len(snapshot)) == (0, None, False, 1)


def test_memory_is_not_seen_outside():
    snapshot = Snapshot([build.cluster("m1", labels={"a": "x"}), build.cluster("m2")])
    affinity = build.affinity(labels={"a": "x"})
    assert snapshot.matching(affinity) == snapshot.matching(build.affinity(labels={"a": "x"})) == snapshot.bit("m1")
