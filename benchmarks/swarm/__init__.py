"""Three Docker engines on this machine as one swarm, and the stack on it."""
