"""The user's own digits, one module for each form of data."""
