"""The contract suites, importable by whoever adds a step or a store."""
