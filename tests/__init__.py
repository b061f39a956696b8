"""The tests of portability."""
