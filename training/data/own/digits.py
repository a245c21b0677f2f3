"""The user's own digits, to learn and held out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from service.contract import IMAGE_SIDE
from training.data.idx import Bytes
from training.data.own.entries import Rejected
from training.data.published import Published


class Share(NamedTuple):
    """Digits in the service's canonical form, uint8 [N, 28, 28], their labels, uint8 [N], and where each is from."""

    images: Bytes
    labels: Bytes
    sources: Sequence[str]


NONE = Share(np.zeros((0, IMAGE_SIDE, IMAGE_SIDE), np.uint8), np.zeros(0, np.uint8), ())


@dataclass(frozen=True)
class Own:
    """Digits to learn and held-out digits, with what was rejected and the counts left out by reason.

    `suspect` names corrections that contradict a certain answer. `notes` are for people. `sha256` is that of all images
    and labels. `before` is the newest published version, to compare with.
    """

    learnt: Share
    held_out: Share
    rejected: Sequence[Rejected]
    left_out: Mapping[str, int]
    suspect: Sequence[str]
    sha256: str
    notes: Sequence[str] = ()
    before: Published | None = None

    @property
    def fingerprint(self) -> dict[str, str]:
        """Identifies a run: the digits, and the version it starts from."""
        return {"own": self.sha256, "before": self.before.manifest.version if self.before else ""}

    def counts(self) -> dict[str, int]:
        """Return the counts learnt, held out, rejected and left out, for the manifest."""
        found = {"learnt": len(self.learnt.labels), "held_out": len(self.held_out.labels)}
        return found | {"rejected": len(self.rejected), "suspect": len(self.suspect)} | dict(self.left_out)
