import pytest

from training import recipes
from training.release import words


def test_description_of_the_default_recipe() -> None:
    recipe = recipes.find(recipes.DEFAULT)
    assert words.network(recipe, 1_859_082) == (
        "A plain multi-layer perceptron, 784-1024-512-512-512-10, relu, 1,859,082 weights."
    )
    assert words.output(recipe) == ""
    assert words.learning(recipe) == (
        "glorot_uniform weights, zeros biases, Adam to 0.001 with\n  1 epoch of warm-up and cosine decay to zero"
    )


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("sigmoid-sgd", "normal (deviation 1) weights, normal (deviation 1) biases, gradient descent at 0.1"),
        ("dmlp-momentum", "gradient descent with momentum 0.9 at 0.01"),
        ("dmlp-dropout", "Adam at 0.001, dropout of 30%"),
        ("dmlp-weight-decay", "decoupled weight decay of 0.1"),
        ("dmlp-tanh-glorot", "mean squared error, and its ten outputs of tanh are no probabilities"),
        ("relu-sgd-relu-output", "cross entropy, and its ten outputs of relu are no probabilities"),
        ("dmlp-leaky-relu", "leaky relu of slope 0.01"),
        ("dmlp-ensemble", "The mean of the probabilities of 3 plain multi-layer perceptrons"),
        ("dmlp-ensemble", "The temperature calibrates the mean"),
        ("dmlp-zeros", "a lesson, to be compared with others, and not for use"),
    ],
)
def test_description_of_a_lesson(name: str, said: str) -> None:
    recipe = recipes.find(name)
    assert said in words.network(recipe, 1) + words.output(recipe) + words.learning(recipe)
