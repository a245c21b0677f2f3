"""The service: an uploaded image in, a digit out."""

__version__ = "0.1.0"
