"""gateway: the door. The hub's Kubernetes API over STATE, deploy events, questions, and the facts that others subscribe to.

Consumes kubectl and HTTP, `deploy.<source>`, `ask.hub.register`, all families of STATE, and WORK; asks agents what pods use. Is the only writer
of `state.object.>` (users' objects, change records, application heads) and of `event.>` (one lease holder projects). Any number may run:
compare-and-set decides between them. Killed at any line, nothing that was accepted is lost: a deploy is one atomic batch, as is what a FederatedHPA
or a CronFederatedHPA sets with the record of it, and answers are computed again until the record says that they were sent. Lost are open streams,
what FederatedHPAs recommended in the last minutes (nothing is taken away until that is known again), and requests that were not answered yet, which
kubectl and CI send again.
"""
