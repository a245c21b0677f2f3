"""What trains is not read where TensorFlow is not installed."""

from importlib.util import find_spec

collect_ignore = [] if find_spec("tensorflow") else ["test_training.py"]
