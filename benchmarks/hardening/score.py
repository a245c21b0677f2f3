"""Counts of a row: checks, passes and failures."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from random import Random

from benchmarks.hardening.load import Answer

_SHOWN = 5


@dataclass
class Score:
    """How a row runs, in its short or long form and by which seed, and its result.

    `notes` are measurements to print; `not_run` says why (part of) a row could not run here.
    """

    short: bool = True
    seed: int = 1
    tried: int = 0
    passed: int = 0
    failures: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    not_run: str = ""

    @cached_property
    def rng(self) -> Random:
        """The random choices of the row."""
        return Random(self.seed)

    def choose(self, short: int, long: int) -> int:
        """Return the number for the chosen form."""
        return short if self.short else long

    @property
    def failed(self) -> int:
        """The number of failed checks."""
        return self.tried - self.passed

    @property
    def verdict(self) -> str:
        """The last word of the row in the scorecard."""
        if self.failed:
            return "FAILED"
        return "passed" if self.tried and not self.not_run else "partly run" if self.tried else "not run"

    def check(self, passed: bool, what: str) -> bool:
        """Count one check; `what` describes a failure. Return `passed`."""
        self.tried += 1
        self.passed += passed
        if not passed:
            self.failures.append(what)
        return passed

    def check_answers(self, answers: Iterable[Answer], when: str) -> None:
        """Check that each answer is 200."""
        for answer in answers:
            self.check(answer.status == 200, f"{when}: request {answer.number}, status {answer.status}")

    def note(self, text: str) -> None:
        """Add a measurement."""
        self.notes.append(text)

    def lines(self) -> list[str]:
        """Return the lines below the row: measurements, the first failures, and what did not run."""
        more = [f"... and {len(self.failures) - _SHOWN} more"] if len(self.failures) > _SHOWN else []
        not_run = [f"not run: {self.not_run}"] if self.not_run else []
        return [*self.notes, *(f"failed: {failure}" for failure in self.failures[:_SHOWN]), *more, *not_run]
