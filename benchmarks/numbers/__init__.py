"""Measure how well numbers are read, on pictures made from MNIST's digits and drawn forms."""
