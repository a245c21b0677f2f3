"""The contract tests import nothing of the service."""

import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent


def test_contract_tests_do_not_import_the_service() -> None:
    names = [f"tests.contract.{path.stem}" for path in sorted(HERE.glob("*.py")) if path.stem not in ("__init__",)]
    assert len(names) > 10
    code = f"import sys, {', '.join(names)}\nprint(*(name for name in sys.modules if name.split('.')[0] == 'service'))"
    command = [sys.executable, "-c", code]
    result = subprocess.run(command, cwd=HERE.parent.parent, capture_output=True, text=True, check=True)
    assert result.stdout.split() == []
