"""What a row counts: how often something was tried, how often it held, and what was lost."""

from dataclasses import dataclass, field

_SHOWN = 5


@dataclass
class Score:
    """The outcome of a row. `notes` are figures worth printing; `unable` says why a row could not be tried here."""

    tried: int = 0
    passed: int = 0
    losses: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    unable: str = ""

    @property
    def lost(self) -> int:
        """How often it did not hold."""
        return self.tried - self.passed

    @property
    def verdict(self) -> str:
        """Return the word that the scorecard ends a row with."""
        if self.lost:
            return "LOST"
        return "held" if self.tried and not self.unable else "partly" if self.tried else "not run"

    def hold(self, held: bool, what: str) -> bool:
        """Count one trial; `what` says what was lost, if it was. Return whether it held."""
        self.tried += 1
        self.passed += held
        if not held:
            self.losses.append(what)
        return held

    def note(self, text: str) -> None:
        """Remember a figure."""
        self.notes.append(text)

    def lines(self) -> list[str]:
        """Return what is printed below the row: figures, the first losses, and what could not be tried."""
        more = [f"... and {len(self.losses) - _SHOWN} more"] if len(self.losses) > _SHOWN else []
        unable = [f"not tried: {self.unable}"] if self.unable else []
        return [*self.notes, *(f"lost: {loss}" for loss in self.losses[:_SHOWN]), *more, *unable]


@dataclass(frozen=True)
class Plan:
    """How a row is to be run: in its short or its long form, and with which seed."""

    short: bool
    seed: int

    def choose(self, short: int, long: int) -> int:
        """Return a number for the form that is run."""
        return short if self.short else long
