"""What a run can do, one verb a file."""
