"""MNIST, checked byte for byte."""
