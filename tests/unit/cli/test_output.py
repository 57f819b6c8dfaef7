from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

import pytest

from shoal.cli.live import rows, show
from shoal.cli.output import age, for_programs, table

NOW = datetime(2026, 1, 10, tzinfo=UTC)


@pytest.mark.parametrize(
    ("moment", "shown"),
    [
        pytest.param("2026-01-09T23:59:58+00:00", "2s", id="seconds"),
        pytest.param("2026-01-09T23:58:01Z", "119s", id="under-two-minutes"),
        pytest.param("2026-01-09T23:50:00Z", "10m", id="minutes"),
        pytest.param("2026-01-09T20:00:00Z", "4h", id="hours"),
        pytest.param("2026-01-05T00:00:00Z", "5d", id="days"),
        pytest.param("2026-01-11T00:00:00Z", "0s", id="a-clock-ahead"),
        pytest.param(None, "", id="unknown"),
        pytest.param("yesterday", "yesterday", id="not-a-moment"),
    ],
)
def test_age(moment: str | None, shown: str) -> None:
    assert age(moment, NOW) == shown


@pytest.mark.parametrize(
    ("cells", "lines"),
    [
        pytest.param([("a", 1), ("longer", None)], ["NAME     N", "a        1", "longer   "], id="aligned"),
        pytest.param([], ["NAME   N"], id="no-rows"),
    ],
)
def test_table(capsys: pytest.CaptureFixture[str], cells: Sequence[Sequence[object]], lines: list[str]) -> None:
    table(("NAME", "N"), cells)
    assert capsys.readouterr().out.split("\n") == [*lines, ""]


@pytest.mark.parametrize(
    ("form", "text"),
    [("json", '{\n  "a": [\n    "ä"\n  ]\n}\n'), ("yaml", "a:\n- ä\n"), (None, "")],
)
def test_for_programs(capsys: pytest.CaptureFixture[str], form: str | None, text: str) -> None:
    assert for_programs({"a": ["ä"]}, form) is (form is not None)
    assert capsys.readouterr().out == text


def test_rows_show_workloads_first_and_leave_out_what_has_no_copy() -> None:
    state = {
        "objects": [
            {"ref": "Service/shop/web", "clusters": [{"cluster": "m1", "state": "applied"}]},
            {"ref": "Namespace/shop", "clusters": []},
            {"ref": "apps/Deployment/shop/web", "clusters": [{"cluster": "m1", "state": "ready", "replicas": 2, "image": "web:1"}]},
            {"ref": "apps/Deployment/shop/api", "clusters": [], "state": "pending", "reason": "NoClusterFit", "message": "0/3 available"},
        ]
    }
    assert list(rows(state)) == [
        ("apps/Deployment/shop/web", "m1", "ready", "2", "web:1", ""),
        ("Service/shop/web", "m1", "applied", "", "", ""),
        ("apps/Deployment/shop/api", "(nowhere)", "pending", "", "", "NoClusterFit 0/3 available"),
    ]


def test_a_log_tells_steps_once_for_all_clusters_that_took_them(capsys: pytest.CaptureFixture[str]) -> None:
    def state(**clusters: str) -> dict[str, object]:
        places = [{"cluster": cluster, "state": step} for cluster, step in clusters.items()]
        return {"application": "shop", "state": "applied", "objects": [{"ref": "Service/web", "clusters": places}, {"ref": "policy/p"}]}

    show([state(m1="pending", m2="rendered"), state(m1="ready", m2="ready", m3="applied"), state(m1="ready", m2="ready", m3="ready")])
    assert capsys.readouterr().out.splitlines()[:4] == [
        "  ready: Service/web in m1, m2",
        "  applied: Service/web in m3",
        "  ready: Service/web in m3",
        "shop: applied",
    ]
