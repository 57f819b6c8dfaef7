"""Real member clusters for tests: `build.py` makes the binaries from Go modules, `real_member.py` runs one cluster of plain processes.

Tests that need them carry the marker `kube`. What speaks to a member belongs in `libs/shoal/kube/client`.
"""
