"""Shoal: many Kubernetes clusters as one.

Six rooms on four floors (the walls are contracts in `pyproject.toml`): `api` (nouns) below `messages` and `domain` (what is told, what is
decided) below `bus` and `kube` (the doors) below `runtime`; `cli` on top. There is no `utils`.
"""
