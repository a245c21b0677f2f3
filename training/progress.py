"""What a training says on its way: a line, by its stage."""


def say(stage: str, message: str) -> None:
    """Print what happened in a stage, at once, for the output may be a file that somebody follows."""
    print(f"[{stage:<9}] {message}", flush=True)
