"""What makes an API server of our own a member cluster: controllers, a scheduler, the kubelets of simulated nodes, and faults on demand.

They write straight into the store of one member and are woken by its writes; an idle member costs nothing. How a real cluster is reached
belongs in `client`, what an API server does by itself (defaults, finalizers, addresses of Services) in `apiserver`.
"""
