"""`python -m training`: train, prove and publish a model."""

import argparse
import os
import sys
from pathlib import Path

# Before TensorFlow is imported: its start-up notes would bury the line that matters.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

from service.contract import MODEL_NAME
from training import dataset, recipes
from training.errors import TrainingError


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m training",
        description="Train a digit model, prove its export, and publish it as the next version.",
        epilog="recipes: " + "; ".join(f"{recipe.name}: {recipe.summary}" for recipe in recipes.RECIPES.values()),
    )
    parser.add_argument("--data", type=Path, metavar="DIR", help="MNIST's IDX files; default: Keras' download")
    parser.add_argument("--recipe", default=recipes.DEFAULT, help="default: %(default)s")
    parser.add_argument("--epochs", type=_positive, metavar="N", help="default: the recipe's")
    parser.add_argument("--seed", type=_seed, default=1, metavar="N", help="default: %(default)s")
    parser.add_argument("--device", choices=("auto", "cpu", "gpu"), default="auto", help="default: %(default)s")
    parser.add_argument("--mixed-precision", action="store_true", help="compute in float16; for GPUs")
    parser.add_argument("--models", type=Path, default=Path("models"), metavar="DIR", help="default: %(default)s")
    parser.add_argument("--run-dir", type=Path, metavar="DIR", help="default: runs/RECIPE-seedN")
    parser.add_argument("--resume", action="store_true", help="go on with the interrupted run in the run directory")
    return parser


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a positive whole number")
    return int(text)


def _seed(text: str) -> int:
    if not text.isdecimal() or int(text) >= 1 << 30:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number between 0 and {(1 << 30) - 1}")
    return int(text)


def main(arguments: list[str] | None = None) -> int:
    """Run the pipeline as told on the command line; return the exit code."""
    given = _parser().parse_args(arguments)
    try:
        recipe = recipes.find(given.recipe)
        data = dataset.load(given.data)
        from training import pipeline  # after the cheap mistakes: TensorFlow takes seconds

        options = pipeline.Options(
            name=MODEL_NAME,
            epochs=given.epochs or recipe.epochs,
            seed=given.seed,
            device=given.device,
            mixed_precision=given.mixed_precision,
            models=given.models,
            run_dir=given.run_dir or Path("runs") / f"{recipe.name}-seed{given.seed}",
            resume=given.resume,
        )
        pipeline.run(recipe, data, options)
    except TrainingError as error:
        return _fail(str(error))
    except OSError as error:
        return _fail(f"{error}. Nothing was published; --resume goes on from the last whole epoch.")
    except KeyboardInterrupt:
        print("\ntraining: interrupted; --resume goes on from the last whole epoch.", file=sys.stderr)
        return 130
    return 0


def _fail(message: str) -> int:
    print(f"training: {message}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
