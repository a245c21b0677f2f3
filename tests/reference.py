"""Generate docs/reference.md, the tables that restate code, from the code: `make tables`."""

import argparse
from collections.abc import Iterable, Iterator
from pathlib import Path

from service.errors import ModelError, kinds
from service.http.metrics import Metrics
from service.settings import table
from training import markdown, recipes
from training.__main__ import _comparison_parser, _parser

PAGE = Path(__file__).parent.parent / "docs" / "reference.md"
_HEAD = """# Reference

Generated from the code by `make tables`; a test compares them.
"""


def page() -> str:
    """Return the whole page."""
    sections = [
        (
            "Settings of the service",
            "Environment variables. A value that is not allowed, or an unknown `DIGITS_` variable, stops the start "
            "with one line that says why. `python -m service --help` prints the same table.",
            _settings(),
        ),
        (
            "Errors",
            'Every error, on every route, is `{"error": "<what to do>", "code": "<code>"}` with this status.',
            _errors(),
        ),
        ("Why a version is rejected", "Codes in the `reason` label of `digits_model_loads_total`.", _rejections()),
        ("Metrics", "`GET /metrics`, all workers together.", _metrics()),
        ("Options of training", "`make train ARGS=...` or `python -m training ...`", _options(_parser())),
        ("Options of comparing recipes", "`python -m training compare RECIPE...`", _options(_comparison_parser())),
        ("Recipes", "`--recipe NAME`; each is an entry of `training/recipes.py`.", _recipes()),
    ]
    return _HEAD + "".join(f"\n## {title}\n{intro}\n\n{rows}\n" for title, intro, rows in sections)


def _table(head: str, rows: Iterable[tuple[str, ...]]) -> str:
    return markdown.table(head.split(", "), ([cell.replace("|", "\\|") for cell in row] for row in rows))


def _settings() -> str:
    rows = ((f"`{name}`", f"`{default}`", meaning, allowed) for name, default, allowed, meaning in table())
    return _table("variable, default, meaning, allowed values", rows)


def _errors() -> str:
    found = [kind for kind in kinds() if not issubclass(kind, ModelError)]
    found.sort(key=lambda kind: (kind.status, kind.code))
    return _table("status, code, meaning", ((str(kind.status), f"`{kind.code}`", kind.meaning()) for kind in found))


def _rejections() -> str:
    found = (kind for kind in kinds(ModelError) if kind is not ModelError)
    return _table("code, meaning", ((f"`{kind.code}`", kind.meaning()) for kind in found))


def _metrics() -> str:
    rows = []
    for collector in Metrics()._own._collector_to_names:
        [metric] = collector.collect()
        name = metric.name + ("_total" if metric.type == "counter" else "")
        labels = ", ".join(f"`{label}`" for label in getattr(collector, "_labelnames", ()))
        rows.append((f"`{name}`", metric.type, labels, metric.documentation))
    return _table("metric, type, labels, meaning", rows)


def _options(parser: argparse.ArgumentParser) -> str:
    return _table("option, meaning", _option_rows(parser))


def _option_rows(parser: argparse.ArgumentParser) -> Iterator[tuple[str, str]]:
    for action in parser._actions:
        if action.option_strings and action.dest != "help":
            value = action.metavar or "|".join(action.choices or ()) or ("" if action.nargs == 0 else "NAME")
            meaning = (action.help or "") % {"default": action.default}
            yield f"`{action.option_strings[0]}{f' {value}' if value else ''}`", meaning


def _recipes() -> str:
    rows = ((f"`{recipe.name}`", str(recipe.epochs), recipe.summary) for recipe in recipes.RECIPES.values())
    return _table("recipe, epochs, description", rows)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
