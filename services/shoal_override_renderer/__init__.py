"""override-renderer: makes each cluster's own manifest.

Consumes `state.binding`, and with it `state.object` (templates, override policies, clusters) and `state.status` (what removals wait for).
Writes `work.<member>.>`, and answers `ask.<member>.works`. May be replicated: every write is a compare-and-set.
Killed at any line, nothing is lost: after a restart every binding is reconciled again, and equal content is not written.
"""
