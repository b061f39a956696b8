"""Runs a plan: preview, apply, unwind, gates; knows no AWS."""
