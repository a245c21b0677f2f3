"""Errors that stop a training run. Each message is one line that says what was found and what to do.

TrainingError
├── DatasetError       the data is missing, damaged or not MNIST
├── DeviceError        the device that was asked for is not there
├── RunError           the run directory holds something else than this run
└── VerificationError  the export differs from the model, or is not good enough to publish
"""


class TrainingError(Exception):
    """Root of the tree; the command prints its message and exits with 1."""


class DatasetError(TrainingError):
    """The data is missing, damaged or not MNIST."""


class DeviceError(TrainingError):
    """The device that was asked for is not there."""


class RunError(TrainingError):
    """The run directory holds something else than this run."""


class VerificationError(TrainingError):
    """The export does not compute what was trained, or is not good enough to publish."""
