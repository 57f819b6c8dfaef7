"""The client of a member's API server: transport, discovery, verbs, failures, reflector, and `Member`, which is what the agent uses.

Everything moves as JSON bytes and plain dicts; the generated models of `kubernetes_asyncio` are never loaded (`lean`). What answers such
requests belongs in `apiserver`, what decides what to send belongs in `domain.applying`.
"""
