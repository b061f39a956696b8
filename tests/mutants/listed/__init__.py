"""Every mutant: what the product would be without one of its safeguards, and the test that must notice."""

from tests.mutants.listed import cutover, data, journal
from tests.mutants.mutant import Mutant

MUTANTS: tuple[Mutant, ...] = (*journal.MUTANTS, *data.MUTANTS, *cutover.MUTANTS)
