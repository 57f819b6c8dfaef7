"""agent: one in each member cluster; applies what the hub wants there, deletes only on tombstones, and says what came of it.

Consumes `work.<member>.>` (list by request, `live.<member>.>` notifications, get per key). Writes the member cluster and
`report.<member>.>`. One per member: a Lease in the member keeps a second one waiting. Killed at any line, nothing is lost: the truth about
what it applied is in the marks on the member's objects; after a restart it lists, compares, and writes nothing where nothing changed.
"""
