"""Progress of a training on stdout, a line at a time."""


def say(stage: str, message: str) -> None:
    """Print a line for a stage and flush, because somebody may follow the log."""
    print(f"[{stage:<9}] {message}", flush=True)
