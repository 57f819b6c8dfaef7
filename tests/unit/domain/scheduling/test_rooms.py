"""Room column by column says what `heard_room` says one by one."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from shoal.api.binding import ReplicaRequirements
from shoal.api.status import LOST, READY
from shoal.domain.scheduling.estimate import amounts
from shoal.domain.scheduling.rooms import Rooms, heard_room
from support import build

quantities = st.sampled_from(("0", "250m", "1", "3", "10"))
clusters = st.lists(
    st.builds(
        build.cluster,
        state=st.sampled_from((READY, READY, LOST)),
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
    assert Rooms(found).of(amounts(needed)) == tuple(heard_room(cluster, amounts(needed)) for cluster in found)
