"""What explains a decision is bounded: it is written with the decision, and must stay small beside thousands of clusters."""

from __future__ import annotations

import zlib
from hashlib import blake2b

import msgspec
import pytest

from shoal.api.binding import Explanation, Rejection
from shoal.domain.scheduling.binding import EXPLANATION_BYTES_MAX, bounded


def noise(count: int, size: int = 40) -> list[str]:
    """Texts that do not compress well."""
    return [
        "".join(blake2b(f"{number}/{part}".encode(), digest_size=20).hexdigest() for part in range(-(-size // 40)))
        for number in range(count)
    ]


def size(explanation: Explanation) -> int:
    return len(zlib.compress(msgspec.json.encode(explanation), 1))


def test_a_small_explanation_is_as_it_was() -> None:
    explanation = Explanation(rejected={"m1": Rejection(reason="TaintNotTolerated", detail="gpu")}, scores={"m2": 100}, rounds=("all",))
    assert bounded(explanation) is explanation


@pytest.mark.parametrize(
    "explanation",
    [
        pytest.param(
            Explanation(rejected={f"m{n}": Rejection(reason="R", detail=text) for n, text in enumerate(noise(9000))}), id="details"
        ),
        pytest.param(Explanation(rejected={f"{text}{n}": Rejection(reason="R") for n, text in enumerate(noise(20000))}), id="clusters"),
        pytest.param(Explanation(scores={f"{text}{n}": n for n, text in enumerate(noise(20000))}), id="scores"),
        pytest.param(Explanation(rounds=tuple(noise(5000, 400))), id="sentences"),
        pytest.param(Explanation(lost_policies=dict.fromkeys(noise(9000), "x")), id="policies"),
        pytest.param(Explanation(estimates={f"{text}{n}": n for n, text in enumerate(noise(20000))}), id="estimates"),
    ],
)
def test_a_large_one_fits_in_the_end(explanation: Explanation) -> None:
    assert size(explanation) > EXPLANATION_BYTES_MAX
    fitted = bounded(explanation)
    assert size(fitted) <= EXPLANATION_BYTES_MAX


def test_details_go_before_clusters_and_what_is_left_out_is_counted() -> None:
    rejected = {f"m{n}": Rejection(reason="R", detail=text) for n, text in enumerate(noise(6000, 80))}
    fitted = bounded(Explanation(rejected=rejected, estimates={"m1": 7}))
    assert set(fitted.rejected) == set(rejected)
    assert not any(one.detail for one in fitted.rejected.values())
    assert fitted.estimates == {"m1": 7}
    assert fitted.left_out == 0
    halved = bounded(
        Explanation(rejected={text + str(n): one for n, (text, one) in enumerate(zip(noise(6000), rejected.values(), strict=True))})
    )
    assert 0 < len(halved.rejected) < 6000
    assert halved.left_out == 6000 - len(halved.rejected)
