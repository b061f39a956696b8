"""Recipes and estates from YAML to a compiled, digested plan; pure."""
