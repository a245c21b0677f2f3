"""The stack on a swarm of three Docker engines on this machine."""
