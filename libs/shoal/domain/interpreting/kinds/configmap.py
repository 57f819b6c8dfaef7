"""ConfigMap (core): data; healthy once it is there. No rule differs from the generic ones."""

from __future__ import annotations

from shoal.domain.interpreting.interpreter import Interpreter

INTERPRETER = Interpreter(group="", kind="ConfigMap")
