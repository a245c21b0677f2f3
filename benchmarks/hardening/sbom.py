"""`python -m benchmarks.hardening.sbom requirements/serve.txt`: CycloneDX 1.6 bill of materials of a lock.

https://cyclonedx.org/docs/1.6/json/; everything is in the lock, so nothing is installed or downloaded.
"""

import json
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_ENTRY = re.compile(
    r"([a-z0-9][a-z0-9._-]*)(?:\[[^]]*\])?==([^ ;]+)(?: ; (.*?))?((?:\s+--hash=sha256:[0-9a-f]{64})*)\s*"
)


@dataclass(frozen=True)
class Package:
    """A locked package: the marker that says where it is installed, and the hashes of its files."""

    name: str
    version: str
    marker: str
    hashes: tuple[str, ...]


def packages(lock: str) -> list[Package]:
    """Return the packages of a lock.

    Raises:
        ValueError: a line is not a locked package.
    """
    lines = re.sub(r"\s*\\\n", " ", lock).splitlines()
    return [_package(line) for line in lines if line.strip() and not line.lstrip().startswith("#")]


def bill(name: str, found: list[Package]) -> dict[str, Any]:
    """Return the bill of materials of the packages of a lock."""
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {"component": {"type": "application", "name": name}},
        "components": [_component(package) for package in found],
    }


def _package(line: str) -> Package:
    entry = _ENTRY.fullmatch(line)
    if entry is None:
        raise ValueError(f"Not a locked package: {line[:80]}")
    return Package(entry[1], entry[2], entry[3] or "", tuple(re.findall("sha256:([0-9a-f]{64})", entry[4])))


def _component(package: Package) -> dict[str, Any]:
    return {
        "type": "library",
        "name": package.name,
        "version": package.version,
        "purl": f"pkg:pypi/{package.name}@{package.version}",
        "bom-ref": f"pkg:pypi/{package.name}@{package.version}",
        # One of these is installed: a wheel for the platform, or the sdist.
        "properties": [{"name": "digits:file:sha256", "value": found} for found in package.hashes]
        + ([{"name": "digits:marker", "value": package.marker}] if package.marker else []),
    }


def main(path: str) -> int:
    """Print the bill of a lock."""
    lock = Path(path)
    print(json.dumps(bill(f"digits-{lock.stem}", packages(lock.read_text(encoding="utf-8"))), indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
