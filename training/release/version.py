"""Writes the files of a version: graphs, curves, model card, and last the manifest."""

import hashlib
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from service.contract import CONTRACT_VERSION, FLOAT32_FILE, MANIFEST_FILE, FileRecord, Manifest, SelfTest
from service.inference.engine import Engine, self_test_inputs
from training.data.mnist import Mnist
from training.recipe import Recipe
from training.release import card, report
from training.release.verify import Verification

_SELF_TEST_SEED, _SELF_TEST_IMAGES = 1, 16
# Kernels of other processors round differently; in int8 one rounding step can move a probability visibly.
_FLOAT32_TOLERANCE, _INT8_TOLERANCE = 1e-4, 0.1


def writer(
    recipe: Recipe, data: Mnist, figures: Mapping[str, Any], verification: Verification
) -> Callable[[Path, str], None]:
    """Return the function that writes the files of a version, given its directory and number."""
    self_test = _self_test(verification.graphs)

    def write(directory: Path, version: str) -> None:
        for file, content in verification.graphs.items():
            (directory / file).write_bytes(content)
        report.write_curves(directory, figures["history"])
        card.write(directory, version=version, recipe=recipe, figures=figures, verification=verification)
        Manifest(
            name=recipe.model_name,
            version=version,
            contract=CONTRACT_VERSION,
            created=datetime.now(UTC).isoformat(timespec="seconds"),
            files=_records(directory),
            certain_from=figures["certain_from"],
            self_test=self_test,
            recipe=recipe.to_dict(),
            metrics=dict(figures),
            data={"name": "MNIST", "sha256": data.fingerprint},
            tools=report.tools(),
        ).write(directory)

    return write


def _records(directory: Path) -> dict[str, FileRecord]:
    contents = {path.name: path.read_bytes() for path in sorted(directory.iterdir()) if path.name != MANIFEST_FILE}
    return {name: FileRecord(hashlib.sha256(content).hexdigest(), len(content)) for name, content in contents.items()}


def _self_test(graphs: Mapping[str, bytes]) -> SelfTest:
    images = self_test_inputs(_SELF_TEST_SEED, _SELF_TEST_IMAGES)
    expected = {name: Engine.open(graph).run(images).astype(float).round(6).tolist() for name, graph in graphs.items()}
    tolerance = {name: _FLOAT32_TOLERANCE if name == FLOAT32_FILE else _INT8_TOLERANCE for name in graphs}
    return SelfTest(_SELF_TEST_SEED, _SELF_TEST_IMAGES, expected, tolerance)
