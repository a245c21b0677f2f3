"""The training pipeline: MNIST in, a published model version out."""

import service  # noqa: F401  # before the tools, some of which import ONNX Runtime: see there about telemetry
