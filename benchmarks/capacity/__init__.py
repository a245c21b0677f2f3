"""What deploy/CAPACITY.md rests on: the cost of a request, a queueing simulation, and what both come to."""
