"""Build hook: the services lie beside `libs` and belong into the wheel. An installation in place must not copy them, or edits had no effect."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class WheelWithServices(BuildHookInterface):  # type: ignore[type-arg]
    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """`version` is `standard` for a wheel, `editable` for an installation in place."""
        if version == "standard":
            for service in sorted((Path(self.root).parent / "services").glob("shoal_*")):
                build_data["force_include"][str(service)] = service.name
