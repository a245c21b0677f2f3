"""Repository rules: no data set in it, and requirements locked without naming an index."""

import re
import subprocess
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
LOCKS = ("serve", "serve-cuda", "train", "train-cuda", "test", "dev")  # each has the name of its extra
# Bytes that IDX files of images and of labels start with, gzip, ZIP (which .npz is), Parquet.
DATA_MAGIC = (b"\x00\x00\x08\x03", b"\x00\x00\x08\x01", b"\x1f\x8b", b"PK\x03\x04", b"PAR1", b"\x93NUMPY")
LARGEST_FILE = 10 << 20  # the float32 model takes 7.5 MB


def lock(name: str) -> str:
    return (ROOT / "requirements" / f"{name}.txt").read_text(encoding="utf-8")


def locked_versions(name: str) -> dict[str, set[str]]:
    """Return the locked versions of each package; several if they depend on the Python version."""
    versions: dict[str, set[str]] = {}
    for package, version in re.findall(r"^([a-z0-9][a-z0-9._-]*)(?:\[[^]]*\])?==([^ ;\\]+)", lock(name), re.MULTILINE):
        versions.setdefault(package, set()).add(version)
    return versions


def wanted(extra: str) -> list[Requirement]:
    """Return the requirements of an extra, following references to other extras."""
    found = []
    for requirement in map(Requirement, PROJECT["optional-dependencies"][extra]):
        if requirement.name == PROJECT["name"]:
            found += [inner for name in requirement.extras for inner in wanted(name)]
        else:
            found.append(requirement)
    return found


@pytest.fixture(scope="module")
def files() -> list[Path]:
    """The files in the repository, including new ones that git does not ignore."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    try:
        result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        pytest.skip("git is not installed, so which files belong to the repository is not known")
    if result.returncode != 0:
        pytest.skip(f"this is no git checkout: {result.stderr.strip()}")
    return [path for name in result.stdout.split("\0") if name and (path := ROOT / name).is_file()]


def test_no_data_set_is_in_the_repository(files: list[Path]) -> None:
    named = re.compile(r"ubyte|mnist\.(npz|pkl|csv)|optdigits|semeion|\.(npz|npy|parquet|arff)(\.|$)", re.IGNORECASE)
    assert [path for path in files if named.search(path.name)] == []
    assert [path for path in files if path.read_bytes()[:4096].startswith(DATA_MAGIC)] == []
    assert [path for path in files if path.stat().st_size > LARGEST_FILE] == []


@pytest.mark.parametrize("name", LOCKS)
def test_lock_holds_every_requirement_in_an_allowed_version(name: str) -> None:
    locked = locked_versions(name)
    for requirement in [*map(Requirement, PROJECT["dependencies"]), *wanted(name)]:
        versions = locked.get(requirement.name.lower())
        assert versions, f"{requirement} is not in requirements/{name}.txt: run `make lock`"
        assert all(map(requirement.specifier.contains, versions)), f"{requirement}: {versions}: run `make lock`"


@pytest.mark.parametrize("name", LOCKS)
def test_lock_gives_a_hash_for_every_package_and_names_no_place(name: str) -> None:
    entries = re.sub(r"\\\n", " ", lock(name)).splitlines()
    for entry in (line for line in entries if not line.lstrip().startswith("#")):
        assert re.fullmatch(r"[a-z0-9][^ ]*==[^ ;]+( ; [^\\]*?)?(\s+--hash=sha256:[0-9a-f]{64})+", entry), entry
    assert not re.search(r"://|file:|index-url|find-links", lock(name))


def test_served_packages_are_the_tested_ones() -> None:
    tested = locked_versions("dev")
    for name in ("serve", "train", "test"):
        assert {package: tested.get(package) for package in locked_versions(name)} == locked_versions(name)


def test_serving_needs_no_training_packages() -> None:
    for name in ("serve", "serve-cuda"):
        assert not {"tensorflow", "keras", "tf2onnx", "onnx"} & locked_versions(name).keys()
    assert len({"onnxruntime", "onnxruntime-gpu"} & locked_versions("serve-cuda").keys()) == 1
