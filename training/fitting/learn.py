"""Everything a recipe trains: its teachers or starting point, its pool, its branches."""

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from typing import Any, Literal

from training.data.mnist import Mnist
from training.errors import TrainingError
from training.files import locked
from training.fitting import device, fit
from training.fitting.run import Run
from training.model.read_back import read_back
from training.options import Options
from training.progress import say
from training.recipe import PUBLISHED, Recipe
from training.recipes import find
from training.synthesis import pool
from training.synthesis.pictures import TRAINING

_NEXT_BRANCH = 1_000_000  # between the seeds of two branches, far from the seeds that people give


@dataclass(frozen=True)
class Learnt:
    """A trained recipe, its pool, and the models trained before it."""

    recipe: Recipe
    seed: int
    fitted: fit.Fitted
    pictures: pool.Pool | None
    teachers: "Sequence[Learnt]" = ()
    start: "Learnt | None" = None


def open_run(recipe: Recipe, data: Mnist, options: Options) -> Run:
    """Open the run of `recipe` that the options name.

    Raises:
        RunError: its directory holds a different run.
    """
    return Run.open(
        options.run_dir,
        recipe,
        options.epochs,
        options.seed,
        data,
        mixed_precision=options.mixed_precision,
        seeds=options.seeds,
        resume=options.resume,
    )


def each_seed(recipe: Recipe, data: Mnist, state: Run, strategy: Any, options: Options) -> list[Learnt]:
    """Train `recipe` with each seed: the first in the run `state`, the others in runs within it.

    All of them have the same teachers.

    Raises:
        TrainingError: as for `learn`.
    """
    teachers = _before(recipe, "teacher", data, strategy, options, seeds=recipe.teachers)
    every = [learn(recipe, data, state, strategy, replace(options, seeds=1), teachers)]
    for seed in range(options.seed + 1, options.seed + options.seeds):
        told = replace(_within(options, options.run_dir / f"seed-{seed}"), seed=seed)
        own = open_run(recipe, data, told)
        every.append(learn(recipe, data, own, strategy, told, teachers))
        own.mark_finished(f"one of the seeds of {state.directory}")
    return every


def learn(
    recipe: Recipe, data: Mnist, state: Run, strategy: Any, options: Options, teachers: Sequence[Learnt] = ()
) -> Learnt:
    """Train `recipe` in the run `state`; its starting point and other branches get runs within that one.

    The result is the mean of the branches.

    Raises:
        TrainingError: an existing run is a different one, or is damaged.
    """
    start = _start(recipe, data, strategy, options, teachers)
    pictures = _pool(recipe, data, options)

    def branch(state: Run, options: Options) -> fit.Fitted:
        say(
            "fit",
            f"{recipe.name}, {options.epochs} epochs, seed {options.seed}, on {device.describe(strategy)}; "
            f"run directory {state.directory}",
        )
        fitted = fit.fit(
            recipe,
            data,
            state,
            seed=options.seed,
            epochs=options.epochs,
            strategy=strategy,
            pool=None if pictures is None else pictures.training,
            teachers=[teacher.fitted.model for teacher in teachers],
            start=None if start is None else start.fitted.model,
        )
        speed = median(entry["images_per_second"] for entry in fitted.history)
        say("fit", f"median epoch: {speed:,.0f} images/s")
        return fitted

    branches = [branch(state, options)]
    for number in range(1, recipe.branches):
        told = _within(options, options.run_dir / f"branch-{number}")
        told = replace(told, seed=options.seed + number * _NEXT_BRANCH)
        own = open_run(recipe, data, told)
        branches.append(branch(own, told))
        own.mark_finished(f"a branch of {state.directory}")
    return Learnt(recipe, options.seed, fit.mean(branches), pictures, teachers, start)


def _start(recipe: Recipe, data: Mnist, strategy: Any, options: Options, teachers: Sequence[Learnt]) -> Learnt | None:
    """Return what `recipe` starts from: of its teachers the one of the same seed, or another recipe."""
    if recipe.start is not None and recipe.start == recipe.teacher:
        return teachers[(options.seed - teachers[0].seed) % len(teachers)]
    return next(iter(_before(recipe, "start", data, strategy, options)), None)


def _before(
    after: Recipe,
    role: Literal["teacher", "start"],
    data: Mnist,
    strategy: Any,
    options: Options,
    *,
    seeds: int = 1,
) -> list[Learnt]:
    """Return each seed of what comes before `after`, of the run that the options name or of one within that of `after`.

    Where `--epochs` cuts `after` short, it trains for no more epochs.
    """
    name: str | None = getattr(after, role)
    given: Path | None = getattr(options, role)
    if name is None:
        return []
    if name == PUBLISHED:
        return [_published(after, data, options)]
    recipe = find(name)
    told = replace(_within(options, options.run_dir / role), seeds=seeds, teacher=None, start=None)
    if given is not None:
        told = replace(told, run_dir=given, resume=True)
    whole = given is not None or options.epochs >= after.epochs
    told = replace(told, epochs=recipe.epochs if whole else min(recipe.epochs, options.epochs))
    state = open_run(recipe, data, told)
    with nullcontext() if given is None or state.finished else locked(given):
        every = each_seed(recipe, data, state, strategy, told)
        state.mark_finished(f"trained for {after.name}")
    return every


def _published(after: Recipe, data: Mnist, options: Options) -> Learnt:
    """Return the newest published version as if it had been trained here."""
    if data.own is None or data.own.before is None:
        raise TrainingError(f"Recipe {after.name} starts from a published version, but there is none.")
    model = read_back(data.own.before.graph, after)
    return Learnt(after, options.seed, fit.Fitted(model, []), None)


def _pool(recipe: Recipe, data: Mnist, options: Options) -> pool.Pool | None:
    if recipe.mixture is None:
        return None
    quarters = 0

    def progress(done: int, total: int) -> None:
        nonlocal quarters
        if 4 * done // total > quarters:
            quarters = 4 * done // total
            say("pool", f"{done:,} of {total:,} pictures")

    made = pool.open_or_make(options.pools, recipe.mixture, data, seed=options.pool_seed, progress=progress)
    counts = ", ".join(f"{len(made.parts[kind].labels):,} {kind}" for kind in TRAINING)
    refused = sum(part.refused for part in made.parts.values())
    say("pool", f"{counts}; {refused:,} that the service would refuse are left out; ready in {made.seconds:.0f} s")
    return made


def _within(options: Options, directory: Path) -> Options:
    """Return the options of a run within another one: it is resumed with that one."""
    return replace(options, run_dir=directory, seeds=1, resume=options.resume and Run.is_in(directory))
