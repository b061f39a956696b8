"""Stores: how a tenant's data is found, copied, kept current, compared and erased."""
