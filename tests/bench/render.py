"""How many manifests one process renders in a second: the pure function, by what is overridden and by how many policies it has to look at.

`python tests/bench/render.py [manifests]`. Times depend on the machine; nothing here judges.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from shoal.api.meta import Manifest
from shoal.api.override import FieldOverrider, FieldPatch, ImageOverrider, LabelAnnotationOverrider, OverridePolicy, PlaintextOverrider
from shoal.domain.rendering import render
from support import build

PROD = build.affinity(labels={"env": "prod"})
TAG = ImageOverrider(component="Tag", operator="replace", value="1.28")
EVERYWHERE = ImageOverrider(component="Registry", operator="replace", value="mirror.example", scope="AllContainers", keep_digest=True)
LABELS = LabelAnnotationOverrider(operator="add", value={"tier": "front"})
POD_LABELS = LabelAnnotationOverrider(operator="add", value={"tier": "front"}, path="/spec/template/metadata/labels")
REPLICAS = PlaintextOverrider(path="/spec/replicas", operator="replace", value=9)
FIELD = FieldOverrider(field_path="/data/app", yaml=(FieldPatch(sub_path="/k7/a", operator="replace", value=2),))

TEXT = "".join(f"k{number}: {{a: 1, b: [x, y]}}\n" for number in range(40))
WEB = build.deployment("web", replicas=5, requests={"cpu": "100m"}, labels={"app": "web"}, initContainers=[{"name": "i", "image": "i:1"}])
SETTINGS = build.config_map("settings", app=TEXT)


def policies(*, others: int = 0, **overriders: Any) -> list[OverridePolicy]:
    """Three policies that speak of the object, among others that do not."""
    speak = [build.override_policy(f"p{number}", build.rule(PROD, **overriders)) for number in range(3)]
    return speak + [build.override_policy(f"q{number}", build.rule(), of=(build.selector(name=f"x{number}"),)) for number in range(others)]


CASES: dict[str, tuple[Manifest, list[OverridePolicy]]] = {
    "no overrides": (WEB, []),
    "3 policies: tag, labels, replicas": (WEB, policies(image_overrider=(TAG,), labels_overrider=(LABELS,), plaintext=(REPLICAS,))),
    "3 policies: all containers, pod labels": (WEB, policies(image_overrider=(EVERYWHERE,), labels_overrider=(POD_LABELS,))),
    "3 policies: one field of a YAML text of 1 KiB": (SETTINGS, policies(field_overrider=(FIELD,))),
    "3 of 303 policies: tag, labels, replicas": (
        WEB,
        policies(others=300, image_overrider=(TAG,), labels_overrider=(LABELS,), plaintext=(REPLICAS,)),
    ),
}


def main(manifests: int) -> None:
    target = build.target("m1", 3, epoch=7)
    binding, cluster = build.binding(target), build.cluster("m1", labels={"env": "prod"})
    for name, (template, overrides) in CASES.items():
        start = time.perf_counter()
        for _ in range(manifests):
            render(template, binding, target, cluster, overrides, template_revision=10, change="01A")
        print(f"{name:<48} {manifests / (time.perf_counter() - start):10,.0f} manifests/s", flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1_000)
