"""Checks that own digits are read better than before, and MNIST no worse."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from scipy.stats import binomtest

from training.data.mnist import Bytes, Mnist
from training.data.own.digits import Own, Share
from training.errors import VerificationError
from training.markdown import table
from training.progress import say
from training.release.calibrate import Calibrated

MOST_COST_PERCENT = 0.05  # points of the validation split that MNIST may lose


def judge(chosen: Calibrated, data: Mnist) -> dict[str, Any] | None:
    """Return errors on own and validation digits before and after, for the manifest; None without own digits."""
    own = data.own
    if own is None:
        return None
    found: dict[str, Any] = own.counts() | {
        "validation": {"after": chosen.validation.errors, "count": chosen.validation.count}
    }
    found |= {name: {"after": _errors(chosen.probabilities, *each)} for name, each in _shares(own).items()}
    if own.before is not None:
        answers = own.before.engine.run
        found["before"] = own.before.manifest.version
        found["validation"]["before"] = _errors(answers, data.validation_images, data.validation_labels)
        for name, (images, labels) in _shares(own).items():
            found[name]["before"] = _errors(answers, images, labels)
    for digits, count, earlier, now in _rows(found):
        say("judge", f"{digits}: " + f"before {earlier}, " * (earlier != "-") + f"now {now} of {count}")
    return found


def check(found: Mapping[str, Any] | None, *, force: bool) -> None:
    """Hold MNIST to what the version before read of the validation split, unless `force`.

    Raises:
        VerificationError: more of it is misread than may be.
    """
    if found is None or "before" not in found or force:
        return
    errors = found["validation"]
    cost = 100 * (errors["after"] - errors["before"]) / errors["count"]
    if cost > MOST_COST_PERCENT + 1e-9:
        raise VerificationError(
            f"The own digits cost MNIST {cost:.2f} points: {errors['after']} errors in {errors['count']:,} validation "
            f"digits, version {found['before']} has {errors['before']}; allowed are {MOST_COST_PERCENT}. Nothing is "
            "published: look for wrong labels with --review, or publish all the same with --resume --force."
        )


def interval(errors: int, count: int) -> tuple[float, float]:
    """Return the 95% interval of the share read right (Wilson 1927), 0 to 1 where there is no digit."""
    if not count:
        return 0.0, 1.0
    found = binomtest(count - errors, count).proportion_ci(0.95, method="wilson")
    return float(found.low), float(found.high)


def right(errors: int, count: int) -> str:
    """Return the share read right in words, with its interval."""
    low, high = interval(errors, count)
    share = f"{1 - errors / count:.1%}" if count else "-"
    return f"{share} ({low:.1%} to {high:.1%})"


def words(found: Mapping[str, Any] | None) -> str:
    """Return what the model card says of the own digits, with a line break before it; `found` is of `judge`."""
    if found is None:
        return ""
    (held_out, *row), *others = _rows(found)
    before = f"version {found['before']}" if "before" in found else "before"
    rows = [(f"{held_out}: nobody learnt them", *row), *others]
    shown = table(["digits", "count", f"{before} reads right", "this version"], rows)
    said = "The user's own digits were learnt beside MNIST. In brackets the 95% interval (Wilson)."
    return f"\n\n### Own digits\n{said}\n\n{shown}"


def _rows(found: Mapping[str, Any]) -> Iterator[tuple[str, str, str, str]]:
    """Yield what is judged, how many there are, and the share read right before, "-" if unknown, and now."""
    for name, digits, count in (
        ("own_held_out", "own digits, held out", found["held_out"]),
        ("own_learnt", "own digits, learnt", found["learnt"]),
        ("validation", "MNIST's validation digits", found["validation"]["count"]),
    ):
        errors = found[name]
        before = right(errors["before"], count) if "before" in errors else "-"
        yield digits, f"{count:,}", before, right(errors["after"], count)


def _shares(own: Own) -> dict[str, tuple[Bytes, Bytes]]:
    named: dict[str, Share] = {"own_learnt": own.learnt, "own_held_out": own.held_out}
    return {name: (share.images, share.labels) for name, share in named.items()}


def _errors(answers: Any, images: Bytes, labels: Bytes) -> int:
    return int(np.sum(answers(images).argmax(axis=1) != labels)) if len(labels) else 0
