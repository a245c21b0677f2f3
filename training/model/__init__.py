"""The network, and distillation."""
