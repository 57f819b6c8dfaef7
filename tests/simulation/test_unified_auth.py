"""Who may reach a cluster through the hub is who may be acted for in it, and no longer than that."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
import structlog

from shoal.api.meta import Ref
from shoal.domain.access import GROUP, NAME
from support.virtual import VirtualLoop
from support.world import World


def granted(*clusters: str, user: str, name: str) -> list[dict[str, Any]]:
    rule = {"apiGroups": ["cluster.karmada.io"], "resources": ["clusters/proxy"], "verbs": ["*"], "resourceNames": list(clusters)}
    subject = {"kind": "User", "name": user, "apiGroup": GROUP}
    role = {"apiGroup": GROUP, "kind": "ClusterRole", "name": name}
    head = {"apiVersion": f"{GROUP}/v1", "metadata": {"name": name}}
    return [
        head | {"kind": "ClusterRole", "rules": [rule]},
        head | {"kind": "ClusterRoleBinding", "roleRef": role, "subjects": [subject]},
    ]


def users(world: World, member: str) -> list[str] | None:
    """Of the role in the member; None without one."""
    role = world.members[member].objects("ClusterRole", "").get(NAME)
    return None if role is None else [name for rule in role.get("rules") or () for name in rule["resourceNames"]]


async def scenario() -> None:
    async with World(1, {"m1": ("alpha", "eu"), "m2": ("alpha", "eu")}) as world:
        await world.until(world.clusters_ready, limit_s=60, what="both clusters ready")
        before = world.positions()["STATE"]
        await world.clock.sleep(60)
        assert world.positions()["STATE"] == before, "nobody was granted anything, and nothing is made"

        manifests = [*granted("m1", "m2", user="ann", name="all"), *granted("m1", user="bob", name="one")]
        await world.deploy({"id": "1", "source": "ci", "data": {"application": "access", "manifests": manifests}})
        await world.until(lambda: users(world, "m1") == ["ann", "bob"], limit_s=30, what="both in m1")
        await world.until(lambda: users(world, "m2") == ["ann"], limit_s=30, what="one of them in m2")
        await world.until(lambda: NAME in world.members["m2"].objects("ClusterRoleBinding", ""), limit_s=30, what="its binding")
        await world.clock.sleep(30)
        before = world.positions()["STATE"]
        await world.clock.sleep(600)
        assert world.positions()["STATE"] == before, "what is as it should be is not written again"

        await world.delete(Ref(GROUP, "ClusterRoleBinding", "", "all"))
        await world.until(lambda: users(world, "m1") == ["bob"], limit_s=60, what="one of them in m1")
        await world.until(lambda: users(world, "m2") is None, limit_s=60, what="nobody in m2")
        await world.delete(Ref(GROUP, "ClusterRole", "", "one"))
        await world.until(lambda: users(world, "m1") is None, limit_s=60, what="nobody at all")
        await world.until(lambda: NAME not in world.members["m1"].objects("ClusterRoleBinding", ""), limit_s=60, what="nor its binding")


@pytest.mark.spec("R15.12", "V03")
def test_unified_auth() -> None:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        runner.run(asyncio.wait_for(scenario(), 36_000))
