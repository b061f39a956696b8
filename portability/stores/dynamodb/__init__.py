"""Tenant data in DynamoDB: how it is found, copied, kept current, compared and erased."""
