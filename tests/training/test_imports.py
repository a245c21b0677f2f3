"""What training may take from the service: the contract, and what a picture goes through; never its HTTP side."""

import ast
from pathlib import Path

ALLOWED = {
    f"service.{name}"
    for name in ("contract", "errors", "preprocessing.decode", "preprocessing.mnist_format", "inference.engine")
}
TRAINING = Path(__file__).parent.parent.parent / "training"


def imported(path: Path) -> set[str]:
    """Return the modules that a file names in its import statements, wherever they stand."""
    modules = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            modules |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = {f"{node.module}.{alias.name}" for alias in node.names}
            modules |= names if node.module == "service" else {node.module}
    return modules


def test_training_takes_five_modules_of_the_service_at_most() -> None:
    files = list(TRAINING.rglob("*.py"))
    taken = {module for path in files for module in imported(path) if module.partition(".")[0] == "service"}
    assert taken, "nothing was read"
    assert taken <= {"service", *ALLOWED}
