"""Secret (core): token secrets are filled in by each member."""

from __future__ import annotations

from shoal.api.meta import Manifest
from shoal.domain.interpreting.interpreter import Interpreter
from shoal.domain.interpreting.metadata import at, put, without

_TOKEN = "kubernetes.io/service-account-token"
_UID = "kubernetes.io/service-account.uid"


def retain(desired: Manifest, live: Manifest) -> Manifest:
    """Of a token secret, the token and the account's uid (R7.3)."""
    if desired.get("type") != _TOKEN:
        return desired
    if data := live.get("data"):
        desired = put(desired, data, "data")
    if uid := at(live, "metadata", "annotations", _UID):
        desired = put(desired, uid, "metadata", "annotations", _UID)
    return desired


def prune(manifest: Manifest) -> Manifest:
    """The hub's token is of no use in a member (R6.5)."""
    if manifest.get("type") != _TOKEN:
        return manifest
    return without(without(manifest, "data"), "metadata", "annotations", _UID)


INTERPRETER = Interpreter(group="", kind="Secret", retain=retain, prune=prune)
