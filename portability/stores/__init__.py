"""What tenant data looks like, and how it is copied, compared and kept in step."""
