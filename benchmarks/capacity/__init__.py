"""Capacity planning for deploy/CAPACITY.md: cost of a request, queueing simulation, machines and money."""
