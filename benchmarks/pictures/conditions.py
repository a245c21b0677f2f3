"""The conditions in which digits are sent, each at several strengths.

A strength counts if a person reads such a picture without effort; the others are only shown.
"""

from functools import cache

from benchmarks.pictures import conditions_camera, conditions_file, conditions_sheet
from benchmarks.pictures.cells import Cell


@cache
def cells() -> tuple[Cell, ...]:
    """Return the benchmark."""
    return (*conditions_file.cells(), *conditions_sheet.cells(), *conditions_camera.cells())
