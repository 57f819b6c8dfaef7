"""The door to NATS: one port, two adapters (`nats`, `memory`), and what stands on it: entries, views, work queues, leases, requests.

The only room that imports nats and faststream. Nothing here decides anything about clusters or applications.
"""
