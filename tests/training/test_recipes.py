import json

import pytest

from service.contract import MODEL_NAME
from training import recipes
from training.recipe import PUBLISHED, Deformation, Mixture, Recipe


def test_to_dict_is_complete_and_fit_for_json() -> None:
    recipe = recipes.find(recipes.DEFAULT)
    fields = json.loads(json.dumps(recipe.to_dict()))
    deformation = Deformation(**fields.pop("deformation"))
    mixture = Mixture(**fields.pop("mixture"))
    assert deformation == Deformation()
    parts = {"hidden": tuple(fields["hidden"]), "deformation": deformation, "mixture": mixture}
    assert Recipe(**fields | parts) == recipe


@pytest.mark.parametrize(("share", "expected"), [(0.0, 0), (1 / 3, 85), (0.5, 128)])
def test_pool_per_batch_is_the_rounded_share(share: float, expected: int) -> None:
    mixed = Recipe(name="mixed", summary="", batch_size=256, mixture=Mixture(share=share))
    assert mixed.pool_per_batch == expected
    assert Recipe(name="plain", summary="").pool_per_batch == 0


def test_a_lesson_is_published_under_its_own_name() -> None:
    assert recipes.find(recipes.DEFAULT).model_name == recipes.find("smoke").model_name == MODEL_NAME
    lessons = [recipe for recipe in recipes.RECIPES.values() if recipe.lesson]
    assert len(lessons) > 15
    assert all(recipe.model_name == recipe.name != MODEL_NAME for recipe in lessons)


def test_each_lesson_is_compared_and_comparisons_name_known_recipes() -> None:
    compared = {name for names in recipes.COMPARISONS.values() for name in names}
    assert compared == {recipe.name for recipe in recipes.RECIPES.values() if recipe.lesson}


def test_a_teacher_is_a_recipe_with_the_same_network_and_mixture() -> None:
    taught = [recipe for recipe in recipes.RECIPES.values() if recipe.teacher not in (None, PUBLISHED)]
    assert taught
    for recipe in taught:
        teacher = recipes.find(str(recipe.teacher))
        assert (teacher.mixture, teacher.hidden, teacher.members) == (recipe.mixture, recipe.hidden, 1)


def test_a_recipe_starts_from_the_same_network() -> None:
    started = [recipe for recipe in recipes.RECIPES.values() if recipe.start not in (None, PUBLISHED)]
    assert started
    for recipe in started:
        first = recipes.find(str(recipe.start))
        assert (first.hidden, first.activation) == (recipe.hidden, recipe.activation)
        before, after = first.mixture, recipe.mixture
        assert (before is None) == (after is None)
        if before and after:  # its pool starts with the first recipe's pictures
            assert before.share == after.share
            assert before.held_out == after.held_out
            assert before.renderings <= after.renderings
            assert before.forms <= after.forms
            assert before.outliers <= after.outliers


def test_branches_require_common_starting_weights() -> None:
    """Averaging the weights of unrelated networks makes no sense."""
    assert all(recipe.start for recipe in recipes.RECIPES.values() if recipe.branches > 1)
