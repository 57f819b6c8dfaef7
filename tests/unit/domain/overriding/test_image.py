from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shoal.api.override import CommandArgsOverrider, ImageOverrider, ImagePredicate
from shoal.domain.overriding.command_args import apply_args
from shoal.domain.overriding.failed import Unusable
from shoal.domain.overriding.image import apply_image, edited, parse
from support import build

DIGEST = "sha256:" + "a" * 64
START = "reg.corp:5000/team/app:v1"


def change(component: str, operator: str, value: str = "") -> ImageOverrider:
    return ImageOverrider(component=component, operator=operator, value=value)


@pytest.mark.spec("G04", "R5.13")
@pytest.mark.parametrize(
    ("image", "overrider", "expected"),
    [
        pytest.param(START, change("Registry", "replace", "mirror.cn"), "mirror.cn/team/app:v1", id="5-c-registry-replace"),
        pytest.param(START, change("Registry", "add", ".cn"), "reg.corp:5000.cn/team/app:v1", id="5-c-registry-add"),
        pytest.param(START, change("Registry", "remove"), "team/app:v1", id="5-c-registry-remove"),
        pytest.param(START, change("Repository", "add", "-arm"), "reg.corp:5000/team/app-arm:v1", id="5-c-repository-add"),
        pytest.param(START, change("Repository", "replace", "x/y"), "reg.corp:5000/x/y:v1", id="5-c-repository-replace"),
        pytest.param(START, change("Repository", "remove"), "reg.corp:5000/:v1", id="repository-remove"),
        pytest.param(START, change("Tag", "add", "-sh"), "reg.corp:5000/team/app:v1-sh", id="5-c-tag-add"),
        pytest.param(START, change("Tag", "replace", "v2"), "reg.corp:5000/team/app:v2", id="5-c-tag-replace"),
        pytest.param(START, change("Tag", "replace", "@v2"), START, id="5-c-tag-replace-with-at"),
        pytest.param(START, change("Tag", "remove"), "reg.corp:5000/team/app", id="5-c-tag-remove"),
        pytest.param("busybox", change("Registry", "replace", "mirror.cn"), "mirror.cn/busybox", id="5-d-no-registry"),
        pytest.param("busybox", change("Tag", "add", "1.36"), "busybox:1.36", id="5-d-no-tag"),
        pytest.param("library/redis:7", change("Registry", "remove"), "library/redis:7", id="5-d-library-is-no-registry"),
        pytest.param("localhost/app", change("Registry", "remove"), "app", id="localhost-is-one"),
        pytest.param("app:v1", change("Tag", "replace", DIGEST), f"app@{DIGEST}", id="tag-becomes-digest"),
        pytest.param(f"app@{DIGEST}", change("Tag", "replace", "v2"), "app:v2", id="digest-becomes-tag"),
        pytest.param(f"app@{DIGEST}", change("Tag", "remove"), "app", id="digest-removed"),
        pytest.param(f"app:v1@{DIGEST}", change("Registry", "replace", "m.cn"), "m.cn/app:v1", id="digest-lost-beside-a-tag"),
    ],
)
def test_operators(image, overrider, expected):
    assert edited(image, overrider) == expected


PINNED = f"reg.corp/app:v1@{DIGEST}"
OTHER = "sha256:" + "b" * 64


def keeping(component: str, operator: str, value: str = "") -> ImageOverrider:
    return ImageOverrider(component=component, operator=operator, value=value, keep_digest=True)


@pytest.mark.spec("GX06", "KA10")
@pytest.mark.parametrize(
    ("image", "overrider", "expected"),
    [
        pytest.param(PINNED, keeping("Registry", "replace", "m.cn"), f"m.cn/app:v1@{DIGEST}", id="registry"),
        pytest.param(PINNED, keeping("Registry", "remove"), f"app:v1@{DIGEST}", id="no-registry"),
        pytest.param(PINNED, keeping("Repository", "add", "-arm"), f"reg.corp/app-arm:v1@{DIGEST}", id="repository"),
        pytest.param(PINNED, keeping("Tag", "replace", "v2"), f"reg.corp/app:v2@{DIGEST}", id="tag"),
        pytest.param(PINNED, keeping("Tag", "add", "-sh"), f"reg.corp/app:v1-sh@{DIGEST}", id="tag-add"),
        pytest.param(PINNED, keeping("Tag", "replace", OTHER), f"reg.corp/app:v1@{OTHER}", id="digest"),
        pytest.param(PINNED, keeping("Tag", "replace", f"v2@{OTHER}"), f"reg.corp/app:v2@{OTHER}", id="tag-and-digest"),
        pytest.param(PINNED, keeping("Tag", "replace", "@v2"), PINNED, id="neither"),
        pytest.param(PINNED, keeping("Tag", "replace", "v2@nonsense"), PINNED, id="no-digest-after-the-at"),
        pytest.param(PINNED, keeping("Tag", "remove"), f"reg.corp/app@{DIGEST}", id="tag-removed"),
        pytest.param(f"app@{DIGEST}", keeping("Tag", "remove"), "app", id="digest-removed"),
        pytest.param(f"app@{DIGEST}", keeping("Tag", "replace", "v2"), f"app:v2@{DIGEST}", id="tag-beside-a-digest"),
        pytest.param("app:v1", keeping("Tag", "replace", "v2"), "app:v2", id="no-digest"),
    ],
)
def test_the_digest_stays_when_asked(image, overrider, expected):
    assert edited(image, overrider) == expected


@pytest.mark.spec("R5.12")
@pytest.mark.parametrize("image", ["app", "app:v1", f"app@{DIGEST}", "reg.corp:5000/team/app:v1", f"reg.corp/team/app@{DIGEST}"])
def test_an_image_is_built_again_from_its_parts(image):
    assert str(parse(image)) == image


@pytest.mark.spec("R5.11", "R5.13")
@pytest.mark.parametrize(
    ("image", "overrider", "message"),
    [
        pytest.param("Team/App:v1", change("Tag", "replace", "v2"), "lower-case repository", id="upper-case"),
        pytest.param("app:v1@nonsense", change("Tag", "replace", "v2"), "is not", id="bad-digest"),
        pytest.param("a" * 2000, change("Tag", "replace", "v2"), "longer than 1024", id="too-long"),
        pytest.param("app:v1", change("Tag", "add", DIGEST), "'v1sha256' is no digest algorithm", id="digest-appended-to-a-tag"),
        pytest.param("app", change("Version", "replace", "v2"), "component 'Version'", id="component"),
        pytest.param("app", change("Tag", "set", "v2"), "operator 'set'", id="operator"),
    ],
)
def test_refusals(image, overrider, message):
    with pytest.raises(Unusable, match=message):
        edited(image, overrider)


@pytest.mark.spec("R5.9")
def test_containers_of_known_kinds_only():
    tag = change("Tag", "replace", "2")
    web = build.deployment(image="app:1", initContainers=[{"name": "init", "image": "app:1"}])
    pod = apply_image(web, tag)["spec"]["template"]["spec"]
    assert pod["containers"][0]["image"] == "app:2"
    assert pod["initContainers"][0]["image"] == "app:1"
    cron = build.manifest("batch/v1", "CronJob", "c", spec={"jobTemplate": {"spec": web["spec"]}})
    assert apply_image(cron, tag) == cron
    # Only the kind's name counts, not its group.
    other = {**web, "apiVersion": "example.com/v1"}
    assert apply_image(other, tag)["spec"]["template"]["spec"]["containers"][0]["image"] == "app:2"


def everywhere(value: str) -> ImageOverrider:
    return ImageOverrider(component="Tag", operator="replace", value=value, scope="AllContainers")


def pod(*lists: str) -> dict:
    return {field: [{"name": field, "image": "app:1"}] for field in lists}


@pytest.mark.spec("GX05", "KA10")
@pytest.mark.parametrize(
    "spec",
    [
        pytest.param({"template": {"spec": pod("containers", "initContainers", "ephemeralContainers")}}, id="every-list"),
        pytest.param(pod("containers", "initContainers"), id="pod"),
        pytest.param({"jobTemplate": {"spec": {"template": {"spec": pod("containers")}}}}, id="cron-job"),
        pytest.param({"tasks": [{"template": {"spec": pod("containers")}}, {"template": {"spec": pod("containers")}}]}, id="tasks"),
        pytest.param({"headGroupSpec": {"template": {"spec": pod("containers", "initContainers")}}}, id="groups"),
    ],
)
def test_all_containers_of_any_kind(spec):
    start = build.manifest("example.com/v1", "Anything", "x", spec=spec)
    after = apply_image(start, everywhere("2"))
    assert after["spec"] == json.loads(json.dumps(spec).replace("app:1", "app:2"))
    assert "app:2" not in json.dumps(start)
    assert apply_image(start, change("Tag", "replace", "2")) == start  # Without the scope nothing of it is reached.


@pytest.mark.spec("GX05", "KA10")
def test_what_is_no_pod_is_left_alone():
    schema = {"properties": {"containers": {"type": "array"}}, "lists": {"containers": ["app:1"], "images": [{"image": "app:1"}]}}
    start = build.manifest("example.com/v1", "Anything", "x", spec=schema, status={"containers": [{"name": "a", "image": "app:1"}]})
    assert apply_image(start, everywhere("2")) == start
    deep: dict = pod("containers")
    for _ in range(200):
        deep = {"more": deep}
    assert "app:2" not in json.dumps(apply_image(build.manifest("example.com/v1", "Anything", "x", spec=deep), everywhere("2")))


@pytest.mark.spec("GX05", "KA10")
def test_containers_are_named_in_every_list():
    start = build.deployment(initContainers=[{"name": "init", "image": "app:1"}])
    for scope, expected in (("Containers", None), ("AllContainers", ["--x"])):
        overrider = CommandArgsOverrider(container_name="init", operator="add", value=("--x",), scope=scope)
        assert apply_args(start, overrider)["spec"]["template"]["spec"]["initContainers"][0].get("args") == expected
    with pytest.raises(Unusable, match="scope 'All' is not one of"):
        apply_args(start, CommandArgsOverrider(container_name="init", operator="add", value=("--x",), scope="All"))


@pytest.mark.spec("G05", "R5.10")
def test_predicate_reaches_one_text():
    web = build.deployment(image="app:1", initContainers=[{"name": "init", "image": "app:1"}])
    overrider = ImageOverrider(
        component="Tag", operator="replace", value="2", predicate=ImagePredicate(path="/spec/template/spec/initContainers/0/image")
    )
    pod = apply_image(web, overrider)["spec"]["template"]["spec"]
    assert (pod["initContainers"][0]["image"], pod["containers"][0]["image"]) == ("app:2", "app:1")


@pytest.mark.spec("R5.10")
@pytest.mark.parametrize(
    ("path", "message"),
    [
        pytest.param("spec/image", 'must begin with "/"', id="no-slash"),
        pytest.param("/spec/nothing", "there is no 'nothing'", id="missing"),
        pytest.param("/spec/template/spec/containers/7/image", "ends before position 7", id="beyond-the-list"),
        pytest.param("/spec/template/spec/containers/x/image", "no position in a list", id="no-number"),
        pytest.param("/spec/replicas", "leads to no text", id="no-text"),
        pytest.param("/a" * 100, "at most 64 steps", id="too-many-steps"),
    ],
)
def test_predicate_refusals(path, message):
    with pytest.raises(Unusable, match=message):
        apply_image(build.deployment(), ImageOverrider(component="Tag", operator="replace", value="2", predicate=ImagePredicate(path=path)))


@given(st.from_regex(r"([a-z]+\.io(:[0-9]{1,4})?/)?[a-z0-9]+(/[a-z0-9]+)?(:[a-zA-Z0-9_]+)?", fullmatch=True))
def test_parsing_and_writing_are_inverse(image):
    assert str(parse(image)) == image


@given(st.sampled_from(["Registry", "Repository", "Tag"]), st.sampled_from([START, "busybox", f"app@{DIGEST}"]))
def test_replacing_twice_is_replacing_once(component, image):
    overrider = change(component, "replace", "mirror.cn" if component == "Registry" else "other")
    assert edited(edited(image, overrider), overrider) == edited(image, overrider)
