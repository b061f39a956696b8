"""Somebody else's store and step."""
