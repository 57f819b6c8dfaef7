from __future__ import annotations

import pytest

from shoal.domain.overriding.failed import Unusable
from shoal.domain.overriding.pointer import patched

DOC = {"a": {"b": [1, 2, 3]}, "c/d": {"~": 1}, "n": None, "t": "text"}


@pytest.mark.spec("G11", "R5.16")
@pytest.mark.parametrize(
    ("operator", "path", "value", "expected"),
    [
        pytest.param("add", "/a/b/-", 4, {**DOC, "a": {"b": [1, 2, 3, 4]}}, id="append"),
        pytest.param("add", "/a/b/0", 0, {**DOC, "a": {"b": [0, 1, 2, 3]}}, id="insert"),
        pytest.param("add", "/a/b/3", 4, {**DOC, "a": {"b": [1, 2, 3, 4]}}, id="insert-at-end"),
        pytest.param("add", "/a", 1, {**DOC, "a": 1}, id="add-overwrites-a-key"),
        pytest.param("replace", "/a/b/1", 9, {**DOC, "a": {"b": [1, 9, 3]}}, id="replace-item"),
        pytest.param("remove", "/a/b/1", None, {**DOC, "a": {"b": [1, 3]}}, id="remove-item"),
        pytest.param("replace", "/c~1d/~0", 2, {**DOC, "c/d": {"~": 2}}, id="escapes"),
        pytest.param("replace", "/n", 1, {**DOC, "n": 1}, id="null-is-there"),
        pytest.param("replace", "", 1, 1, id="whole-document"),
        pytest.param("add", "", 1, 1, id="add-whole-document"),
    ],
)
def test_operations(operator, path, value, expected):
    before = repr(DOC)
    assert patched(DOC, operator, path, value) == expected
    assert repr(DOC) == before


@pytest.mark.spec("R5.16")
@pytest.mark.parametrize(
    ("operator", "path", "message"),
    [
        pytest.param("replace", "/x", "there is no 'x'", id="replace-missing"),
        pytest.param("remove", "/x", "there is no 'x'", id="remove-missing"),
        pytest.param("add", "/x/y", "there is no 'x'", id="add-under-missing"),
        pytest.param("add", "/a/b/9", "ends before position 9", id="add-beyond"),
        pytest.param("replace", "/a/b/-", "no position in a list", id="dash-names-nothing"),
        pytest.param("remove", "/a/b/01", "no position in a list", id="leading-zero"),
        pytest.param("remove", "/a/b/-1", "no position in a list", id="negative"),
        pytest.param("add", "/t/x", "nothing can be added to a text", id="into-text"),
        pytest.param("replace", "/t/x", "is looked for in a text", id="through-text"),
        pytest.param("add", "a", 'must begin with "/"', id="no-slash"),
        pytest.param("add", "/a~2", "write ~0 for ~", id="bad-escape"),
        pytest.param("add", "/a~", "write ~0 for ~", id="open-escape"),
        pytest.param("remove", "", "cannot be removed", id="remove-all"),
        pytest.param("move", "/a", "operator 'move'", id="operator"),
        pytest.param("add", "/x" * 100, "longer than", id="too-many-steps"),
        pytest.param("add", "/" + "x" * 3000, "longer than", id="too-long"),
    ],
)
def test_refusals(operator, path, message):
    with pytest.raises(Unusable, match=message):
        patched(DOC, operator, path, 1)
