"""The parts of a cutover, one role a file; `steps.cut_over` puts them in order."""
