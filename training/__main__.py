"""`python -m training`: train, prove and publish a model."""

import argparse
import errno
import os
import sys
from dataclasses import replace
from pathlib import Path

# Before TensorFlow is imported: its start-up notes would bury the line that matters.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

_MISSING = f"{sys.executable} has no {{}}: `make train` installs it for `.venv/dev/bin/python -m training`."

try:
    from training import interrupt, recipes
    from training.data import mnist, published
    from training.data.mnist import Mnist
    from training.data.own import review
    from training.data.own.collect import collect
    from training.errors import TrainingError
    from training.progress import say
    from training.recipe import OWN_SHARE, PUBLISHED, Recipe, with_network_of
except ModuleNotFoundError as error:
    sys.exit(f"training: {_MISSING.format(error.name)}")
except KeyboardInterrupt:
    sys.exit(130)  # nothing has begun

_RESUME = "--resume continues from the last complete epoch"
_SEEDS = 10**9  # with those of branches and further seeds under 2**30, as TensorFlow's int32 needs


def _parser() -> argparse.ArgumentParser:
    parser = _with_common_options(
        "python -m training", "Train a digit model, prove its export, and publish it as the next version."
    )
    parser.add_argument(
        "--extra",
        type=Path,
        action="append",
        default=[],
        metavar="PATH",
        help="your own digits, learnt together with MNIST's; repeatable. docs/own-digits.md lists the forms",
    )
    parser.add_argument(
        "--review",
        type=Path,
        metavar="FILE",
        help="train nothing; draw those of --extra that contradict a certain answer of the newest version into a PNG",
    )
    parser.add_argument("--force", action="store_true", help="publish even where --extra costs MNIST too much")
    parser.add_argument("--recipe", default=recipes.DEFAULT, help="default: %(default)s")
    parser.add_argument("--epochs", type=_positive, metavar="N", help="default: the recipe's")
    parser.add_argument("--seed", type=_seed, default=1, metavar="N", help="default: %(default)s")
    parser.add_argument(
        "--seeds",
        type=_positive,
        default=1,
        metavar="K",
        help="train K seeds from --seed on and publish the one with the median validation loss; default: %(default)s",
    )
    parser.add_argument("--mixed-precision", action="store_true", help="compute in float16 (GPU) or bfloat16 (CPU)")
    parser.add_argument(
        "--teacher", type=Path, metavar="DIR", help="run directory of the recipe's teacher; default: train one"
    )
    parser.add_argument(
        "--start", type=Path, metavar="DIR", help="run directory of what the recipe starts from; default: train that"
    )
    parser.add_argument("--models", type=Path, default=Path("models"), metavar="DIR", help="default: %(default)s")
    parser.add_argument("--run-dir", type=Path, metavar="DIR", help="default: runs/RECIPE-seedN")
    parser.add_argument("--resume", action="store_true", help="go on with the interrupted run in the run directory")
    return parser


def _comparison_parser() -> argparse.ArgumentParser:
    parser = _with_common_options(
        "python -m training compare",
        "Train recipes side by side, judge them on the validation split, and write a report with plots.\n"
        "What is finished is kept: the same command goes on where it was cut off.",
    )
    parser.add_argument("recipes", nargs="+", metavar="RECIPE", help="what to compare")
    parser.add_argument(
        "--epochs", type=_positive, default=10, metavar="N", help="of each recipe; default: %(default)s"
    )
    parser.add_argument("--seeds", type=_positive, default=2, metavar="K", help="seeds 1 to K; default: %(default)s")
    parser.add_argument(
        "--run-dir",
        type=Path,
        default=Path("runs/compare"),
        metavar="DIR",
        help="what is finished; default: %(default)s",
    )
    parser.add_argument("--report", type=Path, metavar="DIR", help="default: report/ in the run directory")
    return parser


def _with_common_options(command: str, description: str) -> argparse.ArgumentParser:
    width = max(map(len, recipes.RECIPES))
    lines = [f"  {recipe.name:<{width}}  {recipe.summary}" for recipe in recipes.RECIPES.values()]
    parser = argparse.ArgumentParser(
        prog=command,
        description=description,
        epilog="\n".join(["recipes:", *lines]),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--data", type=Path, metavar="DIR", help="MNIST's IDX files; default: Keras' download")
    parser.add_argument("--device", choices=("auto", "cpu", "gpu"), default="auto", help="default: %(default)s")
    return parser


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a positive whole number")
    return int(text)


def _seed(text: str) -> int:
    if not text.isdecimal() or int(text) >= _SEEDS:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number between 0 and {_SEEDS - 1:,}")
    return int(text)


def main(arguments: list[str] | None = None) -> int:
    """Run the pipeline, or a comparison, as told on the command line; return the exit code.

    It has to be called in the main thread, where Ctrl-C arrives.
    """
    given = sys.argv[1:] if arguments is None else arguments
    comparing = given[:1] == ["compare"]
    further = "the same command goes on with what is not finished" if comparing else _RESUME
    try:
        with interrupt.prompt(f"training: interrupted; {further}."):
            if comparing:
                _compare(_comparison_parser().parse_args(given[1:]))
            else:
                _train(_parser().parse_args(given))
    except TrainingError as error:
        return _fail(str(error))
    except ModuleNotFoundError as error:
        return _fail(_MISSING.format(error.name))
    except OSError as error:
        return _fail(f"{_words(error)} Nothing was published; {further}.")
    except KeyboardInterrupt:
        return interrupt.EXIT_CODE
    return 0


def _train(given: argparse.Namespace) -> None:
    recipe = recipes.find(given.recipe)
    versions = given.models / recipe.model_name
    if given.review:
        _review(given, versions)
        return
    if recipe.start == PUBLISHED and not given.extra:
        raise TrainingError(f"Recipe {recipe.name} learns own digits: give them with --extra.")
    if given.teacher and recipe.teacher in (None, PUBLISHED):
        raise TrainingError(f"Recipe {recipe.name} trains no teacher: leave --teacher out.")
    if given.start and recipe.start in (None, PUBLISHED, recipe.teacher):
        raise TrainingError(f"Recipe {recipe.name} trains nothing to start from: leave --start out.")
    data = mnist.load(given.data)
    if given.extra:
        recipe, data = _with_own(recipe, data, given.extra, versions)
    from training import pipeline  # after the cheap mistakes: TensorFlow takes seconds
    from training.options import Options

    run_dir = given.run_dir or Path("runs") / _run_name(recipe.name, given.seed, given.seeds)
    options = Options(
        epochs=given.epochs or recipe.epochs,
        seed=given.seed,
        pool_seed=given.seed,
        device=given.device,
        mixed_precision=given.mixed_precision,
        models=given.models,
        seeds=given.seeds,
        run_dir=run_dir,
        pools=run_dir.parent / "pools",
        resume=given.resume,
        force=given.force,
        teacher=given.teacher,
        start=given.start,
    )
    pipeline.run(recipe, data, options)


def _with_own(recipe: Recipe, data: Mnist, extra: list[Path], versions: Path) -> tuple[Recipe, Mnist]:
    """Return the recipe and the data with the user's own digits in them, and the version that these make better."""
    before = published.newest(versions)
    everything = (data.train_images, data.validation_images, data.test_images)
    own = collect(extra, everything, None if before is None else before.engine.run)
    if recipe.start == PUBLISHED:
        if before is None:
            raise TrainingError(f"{versions} has no version to start from: train one with another recipe first.")
        recipe = with_network_of(recipe, before.manifest.recipe)
    recipe = replace(recipe, own_share=recipe.own_share or OWN_SHARE)
    return recipe, replace(data, own=replace(own, before=before))


def _review(given: argparse.Namespace, versions: Path) -> None:
    before = published.newest(versions)
    if before is None or not given.extra:
        raise TrainingError("--review needs digits, given with --extra, and a published version.")
    own = collect(given.extra, (), before.engine.run)
    count = review.write(given.review, own, before)
    say(
        "review",
        f"{count:,} of {len(own.learnt.labels) + len(own.held_out.labels):,} digits contradict a certain answer",
    )
    if count:
        say("review", str(given.review))


def _run_name(recipe: str, seed: int, seeds: int) -> str:
    return f"{recipe}-seed{seed}" if seeds == 1 else f"{recipe}-seeds{seed}-{seed + seeds - 1}"


def _compare(given: argparse.Namespace) -> None:
    chosen = [recipes.find(name) for name in dict.fromkeys(given.recipes)]
    data = mnist.load(given.data)
    from training.lessons import compare  # as above

    options = compare.Options(
        epochs=given.epochs,
        seeds=given.seeds,
        device=given.device,
        directory=given.run_dir,
        report=given.report or given.run_dir / "report",
    )
    compare.run(chosen, data, options)


def _words(error: OSError) -> str:
    """Return what the operating system refuses, and what to do."""
    found = ": ".join(filter(None, (error.filename and str(error.filename), error.strerror or str(error))))
    full = error.errno in (errno.ENOSPC, errno.EDQUOT)
    return f"{found}: {'free some space' if full else 'give a place that can be written'}."


def _fail(message: str) -> int:
    print(f"training: {message}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    status = main()
    if status == interrupt.EXIT_CODE:
        sys.stdout.flush()
        os._exit(status)  # Python would first tear TensorFlow down, for up to two seconds
    sys.exit(status)
