"""The door to Kubernetes: `client` speaks to real API servers, `apiserver` is one of our own, `simulated` makes a member cluster of it.

The only room that imports `kubernetes_asyncio`. Nothing here knows of the bus.
"""
