"""Stands in for the service in tests of `shoal up`."""
