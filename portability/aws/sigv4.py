"""AWS Signature Version 4 of a POST to `/`, drafted once for requests that differ in their body only.

Source: AWS General Reference, "Signature Version 4 signing process".
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass

ALGORITHM = "AWS4-HMAC-SHA256"
DIGEST = "sha256"


@dataclass(frozen=True, slots=True)
class Draft:
    """A signature but for the body: the texts up to where a body matters. Thread-safe."""

    canonical: str
    to_sign: str
    said: str
    keyed: hmac.HMAC

    def authorization(self, body: bytes) -> str:
        """The Authorization header of the request with this body."""
        request = hashlib.sha256(f"{self.canonical}{hashlib.sha256(body).hexdigest()}".encode()).hexdigest()
        signature = self.keyed.copy()
        signature.update(f"{self.to_sign}{request}".encode())
        return f"{self.said}{signature.hexdigest()}"


class Signer:
    """Signs for one region and service. Thread-safe: the one thing it keeps is replaced whole."""

    def __init__(self, region: str, service: str) -> None:
        self._region = region
        self._service = service
        self._kept = ("", "", "", hmac.new(b"", digestmod=DIGEST))  # day, access key, secret, what its key begins

    def draft(self, access_key: str, secret_key: str, headers: Mapping[str, str], *, at: str) -> Draft:
        """Sign everything but a body.

        `headers` are all that are signed, by lower-case names, single-spaced; `at` is their `x-amz-date`
        (`20260131T235959Z`).
        """
        names = sorted(headers)
        signed = ";".join(names)
        lines = "".join([f"{name}:{headers[name]}\n" for name in names])
        scope = f"{at[:8]}/{self._region}/{self._service}/aws4_request"
        return Draft(
            canonical=f"POST\n/\n\n{lines}\n{signed}\n",
            to_sign=f"{ALGORITHM}\n{at}\n{scope}\n",
            said=f"{ALGORITHM} Credential={access_key}/{scope}, SignedHeaders={signed}, Signature=",
            keyed=self._keyed(at[:8], access_key, secret_key),
        )

    def _keyed(self, day: str, access_key: str, secret_key: str) -> hmac.HMAC:
        *kept_for, keyed = self._kept
        if kept_for != [day, access_key, secret_key]:
            key = f"AWS4{secret_key}".encode()
            for part in (day, self._region, self._service, "aws4_request"):
                key = hmac.digest(key, part.encode(), DIGEST)
            keyed = hmac.new(key, digestmod=DIGEST)
            self._kept = (day, access_key, secret_key, keyed)
        return keyed
