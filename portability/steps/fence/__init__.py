"""How one tenant's writes are paused, one kind a file."""
