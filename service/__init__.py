"""The service: an uploaded image in, a digit out."""

import os

# ONNX Runtime sends telemetry on Linux since 1.29 unless this is set before its import. It does so from a thread, which
# a fork would leave behind: a worker would then crash as it ends.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"

__version__ = "0.2.0"
