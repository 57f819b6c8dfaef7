"""Joining: idempotent by uid, one name for one cluster, what a user wrote stays."""

import uuid
from typing import Any

import pytest

from shoal.api.cluster import MEMBER_ID_ANNOTATION
from shoal.messages.catalogue import Register
from shoal_gateway.register import Refused, decide, member_id


def cluster(name: str, *, uid: str = "", member: str = "", deleting: bool = False, **spec: Any) -> dict[str, Any]:
    metadata: dict[str, Any] = {"name": name}
    if member:
        metadata["annotations"] = {MEMBER_ID_ANNOTATION: member}
    if deleting:
        metadata["deletionTimestamp"] = "now"
    return {"kind": "Cluster", "metadata": metadata, "spec": {**spec, **({"id": uid} if uid else {})}}


def joined(request: Register, *known: dict[str, Any]) -> tuple[dict[str, Any], bool, str]:
    return decide(request, known, lambda: "fresh")


def member_of(manifest: dict[str, Any]) -> str:
    return str(manifest["metadata"]["annotations"][MEMBER_ID_ANNOTATION])


def test_a_new_cluster() -> None:
    made, new, message = joined(Register(name="m1", uid="u1", provider="alpha", region="eu", zones=("a",), labels={"env": "prod"}))
    assert (new, message, member_of(made)) == (True, "", "fresh")
    assert made["spec"] == {"syncMode": "Pull", "id": "u1", "provider": "alpha", "region": "eu", "zones": ["a"]}
    assert made["metadata"]["labels"] == {"env": "prod"}


def test_the_same_uid_gets_the_same_id() -> None:
    known = cluster("m1", uid="u1", member="one")
    made, new, message = joined(Register(name="m1", uid="u1"), known)
    assert (new, message, member_of(made)) == (False, "", "one")
    made, new, message = joined(Register(name="other", uid="u1"), known)
    assert (made["metadata"]["name"], member_of(made)) == ("m1", "one")
    assert "known as m1" in message


def test_what_a_user_wrote_stays() -> None:
    made, new, _ = joined(Register(name="m1", uid="u1", region="theirs", provider="alpha", labels={"env": "x", "new": "y"}),
                          cluster("m1", region="mine") | {"metadata": {"name": "m1", "labels": {"env": "mine"}}})  # fmt: skip
    assert not new
    assert (made["spec"]["region"], made["spec"]["provider"], made["spec"]["id"]) == ("mine", "alpha", "u1")
    assert made["metadata"]["labels"] == {"env": "mine", "new": "y"}


def test_an_id_that_the_agent_remembers_is_kept_unless_it_is_another_clusters() -> None:
    assert member_of(joined(Register(name="m1", uid="u1", member="mine"))[0]) == "mine"
    assert member_of(joined(Register(name="m1", uid="u1", member="one"), cluster("m2", uid="u2", member="one"))[0]) == "fresh"


@pytest.mark.parametrize(
    ("request_", "known", "reason"),
    [
        pytest.param(Register(name="M1", uid="u"), [], "InvalidName", id="name"),
        pytest.param(Register(name="m1", uid=""), [], "NoIdentity", id="no-uid"),
        pytest.param(Register(name="m1", uid="u2"), [cluster("m1", uid="u1")], "NameTaken", id="taken"),
        pytest.param(Register(name="m1", uid="u1"), [cluster("m1", uid="u1", deleting=True)], "BeingDeleted", id="being-deleted"),
        pytest.param(Register(name="m1", uid="u1"), [cluster("m1", deleting=True)], "BeingDeleted", id="being-deleted-by-name"),
    ],
)
def test_refused(request_: Register, known: list[dict[str, Any]], reason: str) -> None:
    with pytest.raises(Refused) as error:
        joined(request_, *known)
    assert error.value.reason == reason


def test_member_ids_are_safe_in_subjects() -> None:
    found = {member_id(str(uuid.uuid4())) for _ in range(50)}
    assert len(found) == 50
    assert all(len(one) == 16 and one.isalnum() for one in found)
