"""Room column by column says what `room_for` says one by one."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from shoal.api.binding import ReplicaRequirements
from shoal.domain.scheduling.estimate import room_for
from shoal.domain.scheduling.rooms import Rooms
from support import build

quantities = st.sampled_from(("0", "250m", "1", "3", "10"))
clusters = st.lists(
    st.builds(
        build.cluster,
        free=st.dictionaries(st.sampled_from(("cpu", "memory", "nvidia.com/gpu")), quantities),
        pods=st.one_of(st.none(), st.integers(0, 9)),
        models=st.sampled_from(((), ((0, {"cpu": 1000}),), ((3, {"cpu": 1000, "memory": 1000}), (1, {"cpu": 9000, "memory": 3000})))),
    ),
    max_size=5,
)
requirements = st.one_of(
    st.none(),
    st.builds(
        lambda requests: ReplicaRequirements(resource_request=requests),
        st.dictionaries(st.sampled_from(("cpu", "memory", "nvidia.com/gpu", "pods.example/x")), quantities),
    ),
)


@given(clusters, requirements)
@settings(max_examples=500, deadline=None)
def test_all_at_once_is_one_by_one(found, needed):
    assert Rooms(found).of(needed) == tuple(room_for(cluster, needed) for cluster in found)
