"""health-monitor: what is believed of clusters, and what became of every template's copies.

Consumes `beat.<member>`, `report.<member>.>`, `state.binding`, `state.object`. Writes `state.belief.>` and `state.status.>`; answers beats
and `ask.<member>.reports`. One judge at a time. Killed at any line, nothing is lost: reports are there, and after a restart every cluster
gets a full grace before anybody may call it lost.
"""
