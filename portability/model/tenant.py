"""Tenant ids are opaque; names made from them are not."""

from __future__ import annotations

import hashlib
import re

from portability import errors

TENANT_ID = re.compile(r"[A-Za-z0-9._:@-]{1,128}\Z")
_PLAIN = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,46}[a-z0-9])?\Z")


def checked_tenant(text: str) -> str:
    """Return `text` if it is a legal tenant id, else raise `UsageMistake`."""
    if not TENANT_ID.match(text):
        shown = ascii(text[:40])
        msg = f"{shown} is not a tenant id: 1 to 128 of A-Z a-z 0-9 . _ : @ -"
        raise errors.UsageMistake(msg, next="portability plan TENANT --to TIER")
    return text


def slug(tenant: str) -> str:
    """A name part legal in every AWS resource name and different for every tenant.

    A plain id (lower case, digits, inner hyphens, up to 48) is its own slug, as in the reference's `Order-tenant-42`;
    any other is folded and carries ten hex digits of its SHA-256, so that `A.b` and `a-b` never meet.
    """
    if _PLAIN.match(tenant) and not re.search(r"-x[0-9a-f]{10}\Z", tenant):
        return tenant
    folded = re.sub(r"[^a-z0-9]+", "-", tenant.lower()).strip("-")[:32] or "t"
    return f"{folded}-x{hashlib.sha256(tenant.encode()).hexdigest()[:10]}"
