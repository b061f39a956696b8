"""The durable record of every run, and the lease that guards it."""
