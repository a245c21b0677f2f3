"""The network, and how it learns from a teacher."""
