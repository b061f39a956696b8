"""A run, rendered."""
