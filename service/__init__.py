"""The service: an uploaded image in, a digit out."""
