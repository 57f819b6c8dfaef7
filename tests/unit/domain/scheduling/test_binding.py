"""Equal content is not written again."""

from __future__ import annotations

from datetime import timedelta

import msgspec
import pytest

from shoal.api.binding import Claim, Explanation, Removal
from shoal.api.meta import Condition, Ref
from shoal.domain.scheduling import Snapshot, same_content, schedule, should_write, to_binding
from support import build

POLICY = Ref("policy.karmada.io", "PropagationPolicy", "shop", "p")


def standing(**fields):
    facts = {
        "claim": Claim(policy=POLICY, uid="u", revision=5),
        "conditions": (
            Condition(type="Scheduled", status="False", reason="NoClusterFit", message="0/1", last_transition_time="2026-08-01T12:00:00Z"),
        ),
        "removals": {"m2": Removal(reason="PolicyChanged", author="x", epoch=3, since="2026-08-01T12:00:00Z")},
        "explanation": Explanation(decided_at="2026-08-01T12:00:00Z"),
    }
    return msgspec.structs.replace(build.binding(build.target("m1", 3, epoch=7)), **facts | fields)


def condition(**fields):
    return (msgspec.structs.replace(standing().conditions[0], **fields),)


@pytest.mark.parametrize(
    ("changed", "same"),
    [
        pytest.param({}, True, id="nothing"),
        pytest.param({"explanation": Explanation(rounds=("other",))}, True, id="explanation"),
        pytest.param({"claim": Claim(policy=POLICY, uid="u", revision=9)}, True, id="policy-revision-without-other-settings"),
        pytest.param({"claim": Claim(policy=POLICY, uid="u", revision=0)}, False, id="policy-not-applied"),
        pytest.param({"claim": Claim(policy=POLICY, uid="v", revision=5)}, False, id="other-claim"),
        pytest.param({"claim": None}, False, id="no-claim"),
        pytest.param({"template_revision": 11}, False, id="template-revision"),
        pytest.param({"clusters": (build.target("m1", 4, epoch=7),)}, False, id="replicas"),
        pytest.param({"clusters": (build.target("m1", 3, epoch=8),)}, False, id="epoch"),
        pytest.param({"removals": {}}, False, id="removals"),
        pytest.param(
            {"removals": {"m2": Removal(reason="PolicyChanged", author="x", epoch=3, since="later")}}, True, id="time-of-a-removal"
        ),
        pytest.param({"conditions": condition(message="0/2")}, True, id="words-of-a-condition"),
        pytest.param({"conditions": condition(last_transition_time="later")}, True, id="time-of-a-condition"),
        pytest.param({"conditions": condition(reason="Unschedulable")}, False, id="reason-of-a-condition"),
        pytest.param({"conflict_resolution": "Overwrite"}, False, id="setting-of-the-policy"),
        pytest.param({"placement": build.placement("m1")}, False, id="placement"),
    ],
)
def test_same_content(changed, same):
    assert same_content(standing(), standing(**changed)) == same
    assert should_write(standing(), standing(**changed), build.NOW) != same


# "A binding that is not fully placed is also written when its summary changes, at most every 10 s."
@pytest.mark.spec("E05")
@pytest.mark.parametrize(
    ("seconds", "status", "written"),
    [
        pytest.param(9, "False", False, id="too-early"),
        pytest.param(10, "False", True, id="after-ten-seconds"),
        pytest.param(60, "True", False, id="a-placed-one-never-for-words"),
    ],
)
def test_a_changed_summary(seconds, status, written):
    before, after = standing(conditions=condition(status=status)), standing(conditions=condition(status=status, message="0/2"))
    assert should_write(before, after, build.NOW + timedelta(seconds=seconds)) == written


def test_the_first_one_is_written():
    assert should_write(None, standing(), build.NOW)


@pytest.mark.spec("E05")
def test_to_binding_explains():
    snapshot = Snapshot([build.cluster("m1"), build.cluster("m2", taints=(build.taint("gpu"),))])
    decision = schedule(build.request(build.placement(division=build.EQUAL), replicas=2), snapshot, None, now=build.NOW, position=100)
    binding = to_binding(decision, build.binding(), now=build.NOW, position=100)
    assert [target.name for target in binding.clusters] == ["m1"]
    assert binding.explanation.rejected["m2"].detail == "cluster(s) had untolerated taint {gpu:NoSchedule}"
    assert binding.explanation.rounds == ("nothing is placed yet", "static weights: m1=2")
    assert (binding.explanation.view_position, binding.explanation.decided_at) == (100, "2026-08-01T12:00:00Z")
