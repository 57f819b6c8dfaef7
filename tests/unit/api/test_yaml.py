"""YAML as kubectl reads it; expectations of the table were taken from kubectl 1.32 (`label --local`)."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shoal.api import yaml
from shoal.api.errors import ManifestInvalid

TEXT = st.text(st.characters(exclude_categories=["Cs"]))
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=10,
)


@pytest.mark.parametrize(
    ("written", "read"),
    [
        pytest.param("no", False, id="norway"),
        pytest.param("y", True, id="y"),
        pytest.param("On", True, id="on"),
        pytest.param('"no"', "no", id="quoted"),
        pytest.param("0644", 420, id="octal"),
        pytest.param("0o644", 420, id="octal-1.2"),
        pytest.param("0899", 899, id="no-octal"),
        pytest.param("0x1F", 31, id="hex"),
        pytest.param("-0b11", -3, id="binary"),
        pytest.param("1_000", 1000, id="underscore"),
        pytest.param("12:30:45", "12:30:45", id="no-sexagesimal"),
        pytest.param("22:22", "22:22", id="port"),
        pytest.param("1e3", 1000, id="exponent"),
        pytest.param("1.0", 1, id="integral-float"),
        pytest.param("1.10", 1.1, id="version"),
        pytest.param("12345678901234567890", 12345678901234567890, id="exact-above-2^63"),
        pytest.param("123456789012345678901234567890", 1.2345678901234568e29, id="beyond-64-bits"),
        pytest.param("2026-11-01", "2026-11-01", id="date"),
        pytest.param("~", None, id="tilde"),
        pytest.param("", None, id="nothing"),
        pytest.param("=", "=", id="equals"),
        pytest.param("7e10", 70000000000, id="commit-like"),
        pytest.param("!!binary aGk=", "hi", id="binary-tag"),
        pytest.param("!!str 123", "123", id="str-tag"),
        pytest.param("!foo bar", "bar", id="unknown-tag"),
        pytest.param("{<<: {a: 1}, b: 2}", {"a": 1, "b": 2}, id="merge"),
        pytest.param("{<<: {a: 1}, a: 2}", {"a": 2}, id="merge-never-overwrites"),
        pytest.param("{1: a, true: b, 1.5: c}", {"1": "a", "true": "b", "1.5": "c"}, id="keys-are-text"),
        pytest.param("[&x {a: 1}, *x]", [{"a": 1}, {"a": 1}], id="anchor"),
        pytest.param('"\\U0001F600"', "😀", id="emoji"),
        pytest.param("9" * 1000, "9" * 1000, id="digits-without-end-stay-text"),
        pytest.param("|\n  a\n  b\n", "a\nb\n", id="block"),
    ],
)
def test_reads_as_kubectl(written, read):
    value = yaml.load(f"v: {written}\n")["v"]
    assert value == read
    assert type(value) is type(read)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param("a: 1\na: 2\n", "line 2, column 1: key 'a' is given twice", id="duplicate"),
        pytest.param('{"a": 1,\n "a": 2}', "line 2, column 2: key 'a' is given twice", id="duplicate-json"),
        pytest.param("a: [1,2\nb: 3\n", "line 2, column 2: while parsing a flow sequence", id="bracket"),
        pytest.param("a:\n\tb: 1\n", "line 2, column 1: while scanning for the next token", id="tab"),
        pytest.param("a: .inf", "line 1, column 4: .inf cannot be written as JSON", id="infinity"),
        pytest.param("~: a", "line 1, column 1: a key must not be null", id="null-key"),
        pytest.param("[a]: b", "line 1, column 1: a key must be text", id="list-key"),
        pytest.param("a: &a [*a]\n", "line 1, column 8: alias *a names no anchor", id="self-reference"),
        pytest.param("a: {<<: 3}", "line 1, column 5: a merge (<<) needs a map", id="merge-no-map"),
        pytest.param(b"x: 1\na: \xff\n", "line 2, column 4: invalid leading UTF-8", id="bad-utf8"),
        pytest.param("a: \x00", "line 1, column 4: control characters", id="control"),
        pytest.param('{"a": "\\ud83d"}', "lone surrogate", id="lone-surrogate"),
        pytest.param("a: " + "[" * 50_000, "line 1, column 203: nested deeper than 200", id="deep-flow"),
        pytest.param("[" * 50_000, "line 1, column 201: nested deeper than 200", id="deep-json"),
        pytest.param('{"a": ' + "[" * 300 + "]" * 300 + "}", "nested deeper than 200", id="deep-valid-json"),
        pytest.param("".join(" " * depth + "a:\n" for depth in range(300)), "line 201, column 201: nested deeper", id="deep-block"),
        pytest.param(
            "a: &a [x,x,x,x,x,x,x,x,x]\n"
            + "".join(f"{b}: &{b} [{','.join([f'*{a}'] * 9)}]\n" for a, b in zip("abcdefg", "bcdefgh", strict=True)),
            "aliases stand for more than 100000 values",
            id="billion-laughs",
        ),
    ],
)
def test_says_where_and_what_is_wrong(text, message):
    with pytest.raises(ManifestInvalid) as raised:
        yaml.load_all(text, source="app.yaml")
    assert str(raised.value).startswith("app.yaml: ")
    assert message in str(raised.value)


def test_limits():
    with pytest.raises(ManifestInvalid, match="more than the limit of 10"):
        yaml.load_all("a: 1234567890", max_bytes=10)
    with pytest.raises(ManifestInvalid, match="more than 2 documents"):
        yaml.load_all("--- 1\n--- 2\n--- 3\n", max_documents=2)
    with pytest.raises(ManifestInvalid, match="one document is expected, 2 were found"):
        yaml.load("a: 1\n---\nb: 1\n")


@pytest.mark.parametrize(
    ("text", "documents"),
    [
        pytest.param("", [], id="nothing"),
        pytest.param("# only\n---\n# comments\n", [], id="comments"),
        pytest.param("---\na: 1\n---\n---\nb: 2\n...\n", [{"a": 1}, {"b": 2}], id="empty-between"),
        pytest.param('{"a": 1}\n{"b": 2.0}\n', [{"a": 1}, {"b": 2}], id="json-after-json"),
        pytest.param('{\n\t"a": "\\ud83d\\ude00\\/"\n}', [{"a": "😀/"}], id="json-tabs-and-escapes"),
        pytest.param("{a: 1}", [{"a": 1}], id="flow-is-no-json"),
        pytest.param("\ufeffa: 1", [{"a": 1}], id="byte-order-mark"),
        pytest.param("a: !!python/object/apply:os.system [id]\n", [{"a": ["id"]}], id="foreign-tags-do-nothing"),
    ],
)
def test_documents(text, documents):
    assert yaml.load_all(text) == documents


@pytest.mark.parametrize(
    "text",
    ["y", "n", "Y", "on", "1e3", "7e10", "0o17", "0899", "12:30", "=", "~", "1_000", "0x1f", ".5",
     "-", "- a", "a: b", "#c", " lead", "trail ",
     "", "+1", "<<", "@x", "`x", "%x", "*a", "&a", "!t", "{", "a\nb\n", "\n", "a\tb", "é", "\u0007", "0b11", "-.inf", ".NaN",
     "0.", "0X1F", "\u2028"],
)  # fmt: skip
def test_texts_come_back_as_texts(text):
    assert yaml.load(yaml.dump({text: text, "list": [text]})) == {text: text, "list": [text]}


def test_writes_for_people():
    value = {"b": "no", "a": ["x"], "script": "set -e\nrun\n"}
    assert yaml.dump(value) == "b: 'no'\na:\n- x\nscript: |\n  set -e\n  run\n"
    assert yaml.dump(value, sort_keys=True).startswith("a:")
    assert yaml.load_all(yaml.dump_all([{"a": 1}, {"b": 2}])) == [{"a": 1}, {"b": 2}]


def test_writes_no_anchors():
    shared = {"x": 1}
    assert "&" not in yaml.dump({"a": shared, "b": shared})


@given(JSON)
def test_what_is_written_is_read_back(value):
    expected = [] if value is None else [value]
    assert yaml.load_all(yaml.dump(value)) == expected
    assert yaml.load_all(json.dumps(value)) == expected
