"""scheduler: decides which clusters get how many replicas, and says why not the others.

Consumes `state.object` (templates, policies, Clusters), `state.belief`, `state.status`. Writes `state.binding.>`. One is active, others
stand by: anti-affinity and capacity need one mind. Killed at any line, nothing is lost: every decision names the revisions it was made on
and is made again from the same inputs; equal content is not written.
"""
