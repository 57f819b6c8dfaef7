"""Loads the hand-written parts of `kubernetes_asyncio` without its generated models.

The package imports about 1,100 model modules from its own `__init__` files: 60 MiB and more than a second in every agent. `install()`
puts empty stand-ins for the three packages concerned into `sys.modules` first, so that `client.configuration`, `client.rest` and
`config.*` load unchanged and nothing else does. Every module of Shoal that needs them takes them from here.
"""

from __future__ import annotations

import importlib
import importlib.machinery
import importlib.util
import sys
import types
from typing import Any

ROOT = "kubernetes_asyncio"
_LAZY = {
    ROOT: {"config": f"{ROOT}.config"},
    f"{ROOT}.client": {
        "ApiClient": f"{ROOT}.client.api_client",
        "Configuration": f"{ROOT}.client.configuration",
        "ApiException": f"{ROOT}.client.exceptions",
        "rest": f"{ROOT}.client.rest",
    },
    f"{ROOT}.client.models": {},
}
"""Package -> name that the hand-written parts take from it -> module that has it."""


def install() -> None:
    """Puts the stand-ins in place; does nothing when they (or, in a test, the real package) are there already."""
    if ROOT in sys.modules:
        return
    spec = importlib.util.find_spec(ROOT)
    if spec is None or not spec.submodule_search_locations:
        raise ModuleNotFoundError(f"{ROOT} is not installed")
    folder = next(iter(spec.submodule_search_locations))
    root = _stand_in(ROOT, folder)
    client = _stand_in(f"{ROOT}.client", f"{folder}/client")
    models = _stand_in(f"{ROOT}.client.models", f"{folder}/client/models")
    root.__dict__["client"], client.__dict__["models"] = client, models


def _stand_in(name: str, folder: str) -> types.ModuleType:
    """A package whose submodules load from `folder` as usual, but whose own `__init__` never runs."""

    def load(attribute: str) -> Any:
        source = _LAZY[name].get(attribute)
        if source is None:
            raise AttributeError(f"{name}.{attribute} is not part of the lean client; it would load every model")
        module = importlib.import_module(source)
        value = module if source.endswith(f".{attribute}") else getattr(module, attribute)
        package.__dict__[attribute] = value
        return value

    package = types.ModuleType(name)
    package.__path__ = [folder]
    package.__spec__ = importlib.machinery.ModuleSpec(name, None, is_package=True)
    package.__dict__["__getattr__"] = load
    sys.modules[name] = package
    return package


install()

from kubernetes_asyncio.client.configuration import Configuration  # noqa: E402  (the stand-ins have to be there first)
from kubernetes_asyncio.config import incluster_config, kube_config  # noqa: E402
from kubernetes_asyncio.config.config_exception import ConfigException  # noqa: E402

__all__ = ["ConfigException", "Configuration", "incluster_config", "install", "kube_config"]
