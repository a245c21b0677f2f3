"""The training pipeline: MNIST in, a published model version out."""

import os

import service  # noqa: F401  # before the tools, some of which import ONNX Runtime: see there about telemetry

# Set before TensorFlow is imported: by default it takes all memory of every GPU, which cannot be undone later.
os.environ.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")
