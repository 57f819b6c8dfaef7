"""The command line `shoal` (also `kubectl shoal`): a thin client of the gateway, and the launcher of one machine's hub.

One file per command group; nothing here decides anything that a service decides.
"""
