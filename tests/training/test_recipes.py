import json

import pytest

from training import recipes
from training.errors import TrainingError


def test_the_default_is_the_network_that_is_published() -> None:
    recipe = recipes.find(recipes.DEFAULT)
    assert recipe.hidden == (1024, 512, 512, 512)
    assert (recipe.activation, recipe.kernel_initializer, recipe.bias_initializer) == (
        "relu",
        "glorot_uniform",
        "zeros",
    )
    assert recipe.deformation == recipes.Deformation()


@pytest.mark.parametrize("name", recipes.RECIPES)
def test_find_returns_the_recipe_of_that_name(name: str) -> None:
    assert recipes.find(name).name == name


def test_unknown_name_is_answered_with_the_known_ones() -> None:
    with pytest.raises(TrainingError) as caught:
        recipes.find("best")
    assert "'best'" in str(caught.value)
    assert all(name in str(caught.value) for name in recipes.RECIPES)


def test_to_dict_is_complete_and_fit_for_json() -> None:
    recipe = recipes.find(recipes.DEFAULT)
    fields = json.loads(json.dumps(recipe.to_dict()))
    deformation = recipes.Deformation(**fields.pop("deformation"))
    assert recipes.Recipe(**fields | {"hidden": tuple(fields["hidden"]), "deformation": deformation}) == recipe
