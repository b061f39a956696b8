"""The guardian: a process beside a cutover that takes its fence back when the cutover no longer can."""
