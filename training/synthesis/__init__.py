"""Synthetic pictures: deformed, drawn and rendered digits, and non-digits."""
