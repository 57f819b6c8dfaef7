"""An API server in this process."""

from __future__ import annotations

import pytest

from support.apiserver import Client


@pytest.fixture
async def api() -> Client:
    """A member's API server with its namespaces."""
    client = Client()
    await client.server.create_namespaces()
    return client
