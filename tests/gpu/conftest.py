"""Skip the tests of training without TensorFlow."""

from importlib.util import find_spec

collect_ignore = [] if find_spec("tensorflow") else ["test_training.py"]
