"""Dependencies: locked by hash, listed in an SBOM, without known vulnerabilities."""

import json
import subprocess
import sys
import tempfile
from importlib import metadata
from pathlib import Path

from packaging.markers import Marker

from benchmarks.hardening import sbom
from benchmarks.hardening.score import Score
from tests.server import ROOT

TITLE = "dependencies"
EXPECTED = "hash-locked, no known vulnerabilities, an SBOM is made"

_LOCKS = ("serve", "serve-cuda", "train", "train-cuda", "dev")


def run(score: Score) -> None:
    """Check the locks, make the SBOM, and in the long form audit the serving lock if the database is reachable."""
    for name in _LOCKS:
        _locked(score, name)
    _installed(score)
    if score.short:
        score.not_run = "the audit, which needs a network database; run the long form"
    else:
        _audit(score)


def _packages(name: str) -> list[sbom.Package]:
    return sbom.packages((ROOT / "requirements" / f"{name}.txt").read_text(encoding="utf-8"))


def _locked(score: Score, name: str) -> None:
    found = _packages(name)
    for package in found:
        score.check(bool(package.hashes), f"{name}: {package.name} has no hash")
    bill = sbom.bill(name, found)
    listed = {(part["name"], part["version"]) for part in json.loads(json.dumps(bill))["components"]}
    score.check(listed == {(package.name, package.version) for package in found}, f"{name}: the SBOM lacks packages")
    score.note(f"{name}: {len(found)} packages, {sum(len(package.hashes) for package in found)} hashes, SBOM made")


def _installed(score: Score) -> None:
    """Check that the installed versions are the locked ones."""
    for package in _packages("serve"):
        if not package.marker or Marker(package.marker).evaluate():
            version = metadata.version(package.name)
            score.check(
                version == package.version, f"{package.name} {version} is installed, {package.version} is locked"
            )


def _audit(score: Score) -> None:
    """Audit exactly the locked versions with uv and OSV (https://osv.dev)."""
    found = _packages("serve")
    pinned = [
        f'#   "{package.name}=={package.version}{f" ; {package.marker}" * bool(package.marker)}",' for package in found
    ]
    head = ["# /// script", '# requires-python = ">=3.11,<3.14"', "# dependencies = [", *pinned, "# ]", "# ///", ""]
    with tempfile.TemporaryDirectory() as scratch:
        script = Path(scratch) / "audited.py"
        script.write_text("\n".join(head), encoding="utf-8")
        command = [str(Path(sys.executable).with_name("uv")), "audit", "--script", str(script)]
        result = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    said = (result.stdout + result.stderr).strip()
    if "ulnerabilit" in result.stdout and result.returncode in (0, 1):
        score.check(result.returncode == 0, said)
    else:
        score.not_run = f"the audit: {said.splitlines()[-1] if said else f'uv ends with {result.returncode}'}"
