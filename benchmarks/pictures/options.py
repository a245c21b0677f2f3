"""Options shared by the benchmarks of digits and of numbers."""

import argparse
from collections.abc import Callable
from pathlib import Path

from service.cpus import available_cpus

ROOT = Path(__file__).parents[2]


def shared_parser(command: str, description: str) -> argparse.ArgumentParser:
    """Return the parser of `command` with the shared options."""
    made = argparse.ArgumentParser(prog=f"python -m {command}", description=description.splitlines()[0])
    made.add_argument("--data", type=Path, required=True, help="directory with MNIST as IDX files")
    made.add_argument("--split", choices=["test", "validation"], default="test", help="which of its digits")
    made.add_argument("--seed", type=int, default=1, help="of everything that is drawn")
    made.add_argument("--only", default="", metavar="NAME,...", help="only what has one of these in its name")
    made.add_argument("--examples", type=Path, help="directory for sheets of failing pictures; outside the repository")
    made.add_argument("--models", type=Path, default=ROOT / "models", help="directory of the models")
    made.add_argument("--processes", type=int, default=available_cpus(), help="processes to share the work")
    return made


def chooser(only: str) -> Callable[[str], bool]:
    """Return a predicate: does a name contain one of the words of `--only`? Always true if that is empty."""
    words = [word.strip().lower() for word in only.split(",") if word.strip()]
    return lambda name: not words or any(word in name.lower() for word in words)
