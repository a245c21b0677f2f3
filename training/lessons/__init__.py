"""Recipes compared side by side."""
