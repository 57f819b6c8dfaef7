"""`Ref` <-> subject, reversible for every name there is."""

from __future__ import annotations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as some

from shoal.api.errors import ManifestInvalid
from shoal.api.meta import Ref
from shoal.messages import subject as subjects

texts = some.text(max_size=20)
tricky = some.text(alphabet='._*>%/ -\\"\x00\x1f\x7fäß€😀aZ09', max_size=12)
tokens = texts | tricky
refs = some.builds(Ref, tokens, tokens, tokens, tokens)


@given(tokens)
def test_a_token_comes_back(text: str) -> None:
    assert subjects.decode_token(subjects.encode_token(text)) == text


@given(tokens)
def test_a_token_is_one_token_that_the_bus_takes(text: str) -> None:
    token = subjects.encode_token(text)
    assert token
    assert token.isascii()
    assert not set(token) & set(".*>/ \t\r\n\x00\x7f")


@given(tokens, tokens)
def test_two_texts_never_share_a_token(one: str, other: str) -> None:
    assume(one != other)
    assert subjects.encode_token(one) != subjects.encode_token(other)


@given(refs)
def test_a_ref_comes_back(ref: Ref) -> None:
    assert subjects.decode_ref(subjects.encode_ref(ref)) == ref


@given(tokens, refs)
def test_subjects_are_split_into_what_they_were_made_of(member: str, ref: Ref) -> None:
    assert subjects.split(subjects.work(member, ref)) == ("work", member, ref)
    assert subjects.split(subjects.report(member, ref)) == ("report", member, ref)
    assert subjects.split(subjects.state("object", ref)) == ("state", "object", ref)


@pytest.mark.parametrize(
    ("ref", "subject"),
    [
        pytest.param(Ref("apps", "Deployment", "web", "shop"), "apps.Deployment.web.shop", id="plain"),
        pytest.param(Ref("", "Namespace", "", "web"), "_.Namespace._.web", id="core-and-cluster-scoped"),
        pytest.param(Ref("networking.k8s.io", "Ingress", "web", "a.b"), "networking%2Ek8s%2Eio.Ingress.web.a%2Eb", id="dots"),
        pytest.param(Ref("", "Secret", "_", "_x"), "_.Secret.%5F.%5Fx", id="leading-underscores"),
        pytest.param(Ref("", "Event", "a", "100% >*"), "_.Event.a.100%25%20%3E%2A", id="wildcards-and-blanks"),
        pytest.param(Ref("", "ConfigMap", "a", "ü"), "_.ConfigMap.a.%C3%BC", id="not-ascii"),
    ],
)
def test_how_it_looks(ref: Ref, subject: str) -> None:
    assert subjects.encode_ref(ref) == subject


@pytest.mark.parametrize(("length", "fits"), [pytest.param(1012, True, id="just-fits"), pytest.param(1013, False, id="too-long")])
def test_too_long_names_are_refused_at_the_door(length: int, fits: bool) -> None:
    ref = Ref("", "Service", "a", "n" * length)
    if fits:
        assert len(subjects.encode_ref(ref)) <= subjects.SUBJECT_BYTES_MAX
        return
    with pytest.raises(ManifestInvalid, match="shorten"):
        subjects.encode_ref(ref)


@pytest.mark.parametrize("subject", ["a.b.c", "a.b.c.d.e", ""])
def test_what_is_no_ref_is_an_error(subject: str) -> None:
    with pytest.raises(ValueError):
        subjects.decode_ref(subject)
