"""Training: devices, batches, the compiled loop, runs that can be resumed."""
