"""The report of a comparison: Markdown tables, and plots by epoch and by layer."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean, median
from typing import Any

import matplotlib

matplotlib.use("Agg")  # draws without a screen
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.ticker import MaxNLocator, NullFormatter

from training.errors import RunError
from training.markdown import table
from training.recipe import Recipe
from training.recipes import COMPARISONS

REPORT_FILE, PLOTS = "README.md", "plots"

Record = Mapping[str, Any]
Records = Mapping[Recipe, Sequence[Record]]  # of each recipe, one a seed

_LEAST_ERROR_PERCENT = 0.01  # zeros are drawn here: the axis is logarithmic
_LEAST_GRADIENT = 1e-9
_DPI = 80


def check_place(directory: Path) -> None:
    """Raise RunError where `directory` holds somebody else's file under the report's name."""
    path = directory / REPORT_FILE
    if path.exists() and _HEAD.partition("\n")[0] not in path.read_text(encoding="utf-8", errors="replace"):
        raise RunError(f"{path} is no report of a comparison: give another directory with --report.")


def write(directory: Path, records: Records) -> Path:
    """Write the report of `records` and its plots into `directory`; return its path."""
    plots = directory / PLOTS
    plots.mkdir(parents=True, exist_ok=True)
    parts = [_head(records)]
    for number, (title, chosen) in enumerate(sections(records).items(), start=1):
        accuracy, layers = (f"{number}-{kind}.png" for kind in ("error", "layers"))
        _draw_errors(plots / accuracy, chosen)
        _draw_layers(plots / layers, chosen)
        parts.append(_section(title, chosen, f"{PLOTS}/{accuracy}", f"{PLOTS}/{layers}"))
    path = directory / REPORT_FILE
    path.write_text("\n\n".join(parts) + "\n", encoding="utf-8")
    return path


def sections(records: Records) -> dict[str, Records]:
    """Return the groups of recipes to compare: known comparisons of two or more, then the rest."""
    by_name = {recipe.name: recipe for recipe in records}
    chosen = {title: [by_name[name] for name in names if name in by_name] for title, names in COMPARISONS.items()}
    chosen = {title: recipes for title, recipes in chosen.items() if len(recipes) > 1}
    shown = {recipe for recipes in chosen.values() for recipe in recipes}
    others = [recipe for recipe in records if recipe not in shown]
    if others:
        chosen["Others"] = others
    return {title: {recipe: records[recipe] for recipe in recipes} for title, recipes in chosen.items()}


def _head(records: Records) -> str:
    every = [record for found in records.values() for record in found]
    first = every[0]
    seeds = len(next(iter(records.values())))
    return _HEAD.format(
        recipes=len(records),
        epochs=first["epochs"],
        seeds="seed 1" if seeds == 1 else f"seeds 1 to {seeds}",
        spread="" if seeds == 1 else " Accuracies are means over the seeds, with the least and the greatest.",
        validation=first["validation"],
        machines="; ".join(dict.fromkeys(f"{record['device']} of {record['machine']}" for record in every)),
        tools=", ".join(f"{tool} {number}" for tool, number in first["tools"].items()),
    )


def _section(title: str, records: Records, errors: str, layers: str) -> str:
    head = "recipe, is, weights, validation accuracy, an epoch, dead ReLU units at the start, at the end"
    rows = table(head.split(", "), (_row(recipe, found) for recipe, found in records.items()))
    return _SECTION.format(title=title, rows=rows, errors=errors, layers=layers)


def _row(recipe: Recipe, found: Sequence[Record]) -> tuple[str, ...]:
    last = [100 * record["history"][-1]["val_accuracy"] for record in found]
    seconds = [entry["seconds"] for record in found for entry in record["history"]]
    return (
        f"`{recipe.name}`",
        recipe.summary,
        f"{found[0]['weights']:,}",
        f"{fmean(last):.2f}%" + ("" if len(last) == 1 else f" ({min(last):.2f} to {max(last):.2f})"),
        f"{median(seconds):.1f} s",
        _dead_words([record["start"] for record in found]),
        _dead_words([record["end"] for record in found]),
    )


def _dead_words(looks: Sequence[Sequence[Record]]) -> str:
    """Return the dead ReLU units of a network in words, the mean over the seeds."""
    relu = [[layer for layer in look if layer["dead"] is not None] for look in looks]
    if not relu[0]:
        return "-"
    dead = fmean(sum(layer["dead"] for layer in look) for look in relu)
    return f"{dead:,.0f} of {sum(layer['units'] for layer in relu[0]):,}"


def _draw_errors(path: Path, records: Records) -> None:
    """Draw the validation error by epoch: the mean over the seeds, in a band from lowest to highest."""
    figure, axes = plt.subplots(figsize=(9, 4), layout="constrained")
    for recipe, found in records.items():
        accuracy = np.array([[entry["val_accuracy"] for entry in record["history"]] for record in found])
        errors = np.maximum(100 * (1 - accuracy), _LEAST_ERROR_PERCENT)
        epochs = np.arange(1, errors.shape[1] + 1)
        (line,) = axes.plot(epochs, errors.mean(axis=0), marker=".", label=recipe.name)
        axes.fill_between(epochs, errors.min(axis=0), errors.max(axis=0), color=line.get_color(), alpha=0.2)
    axes.set(xlabel="epoch", ylabel="validation error (100% - accuracy)", yscale="log")
    axes.yaxis.set_major_formatter("{x:g}%")
    axes.yaxis.set_minor_formatter("{x:g}%")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.grid(alpha=0.3, which="both")
    figure.legend(loc="outside right upper")
    _save(figure, path)


def _draw_layers(path: Path, records: Records) -> None:
    """Draw one row a recipe, of its first seed: gradients by epoch, then the activations of each layer."""
    columns = 1 + max(len(found[0]["end"]) for found in records.values())
    size = (2.2 * columns, 2.0 * len(records))
    figure, grid = plt.subplots(len(records), columns, figsize=size, layout="constrained", squeeze=False)
    for row, (recipe, found) in zip(grid, records.items(), strict=True):
        _draw_gradients(row[0], recipe, found[0])
        looks = list(zip(found[0]["start"], found[0]["end"], strict=True))
        for axes, (start, end) in zip(row[1:], looks, strict=False):
            _draw_histograms(axes, start, end)
        for axes in row[1 + len(looks) :]:
            axes.set_axis_off()
    _save(figure, path)


def _draw_gradients(axes: Any, recipe: Recipe, record: Record) -> None:
    layers = [layer["layer"] for layer in record["end"]]
    colours = plt.get_cmap("viridis")(np.linspace(0, 0.9, len(layers)))
    norms = np.maximum(np.array(record["gradients"]), _LEAST_GRADIENT)
    for layer, colour, values in zip(layers, colours, norms.T, strict=True):
        axes.plot(range(len(values)), values, color=colour, label=layer)
    axes.set_yscale("log")
    axes.yaxis.set_minor_formatter(NullFormatter())
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_title(f"{recipe.name}\ngradient by epoch", fontsize=8)
    axes.tick_params(labelsize=6)
    axes.legend(fontsize=5)


def _draw_histograms(axes: Any, start: Record, end: Record) -> None:
    for look, label in ((start, "start"), (end, "end")):
        edges = np.linspace(look["low"], look["high"], len(look["counts"]) + 1)
        total = max(1, sum(look["counts"]))
        axes.stairs(np.array(look["counts"]) / total, edges, fill=True, alpha=0.5, label=label)
    axes.set_yscale("symlog", linthresh=1e-3)
    dead = "" if end["dead"] is None else f"\n{start['dead']}, then {end['dead']} of {end['units']} dead"
    axes.set_title(end["layer"] + dead, fontsize=8)
    axes.tick_params(labelsize=6)
    axes.legend(fontsize=5)


def _save(figure: Any, path: Path) -> None:
    figure.savefig(path, dpi=_DPI)
    plt.close(figure)


_HEAD = """# Recipes side by side

{recipes} recipes, {epochs} epochs each, {seeds}, on {machines}: {tools}.

Accuracy is on the {validation:,} validation digits after the last epoch; the test set was not used.{spread}
Time is the median of an epoch without validation. A ReLU unit is dead if it is zero for every validation digit; dead
units are counted before and after training, including outputs with ReLU.

The layer plots are for seed 1, one row per recipe. They show the Euclidean norm of the loss gradient of each kernel,
over 1,000 training digits, before training (epoch 0) and after each epoch; then histograms of each layer's activations
on the validation digits, before and after training. For an ensemble they show the first member."""

_SECTION = """## {title}
{rows}

![Validation error by epoch]({errors})

![Gradients by epoch, and answers of each layer at the start and the end]({layers})"""
