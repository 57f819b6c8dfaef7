"""What users write and read: policies, overrides, clusters, bindings, works, our own kinds; the errors; the `Clock` protocol.

Plain msgspec structs. Nothing here decides, reads, writes or waits.
"""
