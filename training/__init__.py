"""The training pipeline: MNIST in, a published model version out."""

import os

import service  # noqa: F401  # before the tools, some of which import ONNX Runtime: see there about telemetry

# Before TensorFlow is imported: else it takes the whole memory of every GPU, and later nothing can change that.
os.environ.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")
