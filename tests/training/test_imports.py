"""Training may import only the contract and the preprocessing of the service, never its HTTP side."""

import ast
from pathlib import Path

ALLOWED = {
    f"service.{name}"
    for name in ("contract", "cpus", "errors", "preprocessing.decode", "preprocessing.mnist_format", "inference.engine")
}
TRAINING = Path(__file__).parent.parent.parent / "training"


def imported(path: Path) -> set[str]:
    """Return the modules in all import statements of a file, nested ones included."""
    modules = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            modules |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = {f"{node.module}.{alias.name}" for alias in node.names}
            modules |= names if node.module == "service" else {node.module}
    return modules


def test_training_imports_at_most_six_modules_of_the_service() -> None:
    files = list(TRAINING.rglob("*.py"))
    taken = {module for path in files for module in imported(path) if module.partition(".")[0] == "service"}
    assert taken, "nothing was read"
    assert taken <= {"service", *ALLOWED}


#: In the order of the data flow: each imports only from those before it and from the shared modules.
LAYERS = ("data", "synthesis", "model", "fitting", "release", "lessons")
BESIDE = {"errors", "files", "interrupt", "markdown", "options", "progress", "recipe", "recipes"}


def test_no_import_runs_back_up() -> None:
    for number, layer in enumerate(LAYERS):
        allowed = {*BESIDE, *LAYERS[: number + 1]}
        for path in (TRAINING / layer).rglob("*.py"):
            own = {module.split(".")[1] for module in imported(path) if module.startswith("training.")}
            assert own <= allowed, f"{path.name} of {layer} imports {own - allowed}"


def test_shared_modules_import_no_layer() -> None:
    for name in BESIDE:
        own = {module.split(".")[1] for module in imported(TRAINING / f"{name}.py") if module.startswith("training.")}
        assert own <= BESIDE, name


def test_every_module_has_its_place() -> None:
    assert {path.stem for path in TRAINING.glob("*.py")} == {"__init__", "__main__", "pipeline", *BESIDE}
    assert {path.name for path in TRAINING.iterdir() if (path / "__init__.py").exists()} == set(LAYERS)
