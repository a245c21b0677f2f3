"""The training pipeline: MNIST in, a published model version out."""
