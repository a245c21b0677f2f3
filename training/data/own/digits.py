"""Digits of the user's own as they are learnt and judged by."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from service.contract import IMAGE_SIDE
from training.data.own.entries import Rejected
from training.data.published import Published

Bytes = npt.NDArray[np.uint8]


class Share(NamedTuple):
    """Digits in the service's canonical form, uint8 [N, 28, 28], their labels, uint8 [N], and where each is from."""

    images: Bytes
    labels: Bytes
    sources: Sequence[str]


NONE = Share(np.zeros((0, IMAGE_SIDE, IMAGE_SIDE), np.uint8), np.zeros(0, np.uint8), ())


@dataclass(frozen=True)
class Own:
    """What is learnt, and what nobody learns and all are judged by; of what was left out the counts, by reason.

    `suspect` are the sources of what contradicted an answer of which a model was certain. `notes` are for people.
    `sha256` is that of all images and labels. `before` is the version that was published last, which they are to make
    better.
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
        """What says whether a run is the same run: the digits, and what it starts from."""
        return {"own": self.sha256, "before": self.before.manifest.version if self.before else ""}

    def counts(self) -> dict[str, int]:
        """Return how many are learnt, held out, rejected and left out, as it goes into the manifest."""
        found = {"learnt": len(self.learnt.labels), "held_out": len(self.held_out.labels)}
        return found | {"rejected": len(self.rejected), "suspect": len(self.suspect)} | dict(self.left_out)
