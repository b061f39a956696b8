"""AWS Signature Version 4 of a POST to `/`, with the derived key kept for its day.

Source: AWS General Reference, "Signature Version 4 signing process".
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping

ALGORITHM = "AWS4-HMAC-SHA256"
DIGEST = "sha256"


class Signer:
    """Signs for one region and service. Thread-safe: the one thing it keeps is replaced whole."""

    def __init__(self, region: str, service: str) -> None:
        self._region = region
        self._service = service
        self._kept = ("", "", "", hmac.new(b"", digestmod=DIGEST))  # day, access key, secret, what its key begins

    def authorization(
        self, access_key: str, secret_key: str, headers: Mapping[str, str], body: bytes, *, at: str
    ) -> str:
        """The Authorization header.

        `headers` are all that are signed, by lower-case names, single-spaced; `at` is their `x-amz-date`
        (`20260131T235959Z`).
        """
        names = sorted(headers)
        signed = ";".join(names)
        lines = "".join([f"{name}:{headers[name]}\n" for name in names])
        canonical = f"POST\n/\n\n{lines}\n{signed}\n{hashlib.sha256(body).hexdigest()}"
        scope = f"{at[:8]}/{self._region}/{self._service}/aws4_request"
        to_sign = f"{ALGORITHM}\n{at}\n{scope}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
        signature = self._keyed(at[:8], access_key, secret_key).copy()
        signature.update(to_sign.encode())
        return f"{ALGORITHM} Credential={access_key}/{scope}, SignedHeaders={signed}, Signature={signature.hexdigest()}"

    def _keyed(self, day: str, access_key: str, secret_key: str) -> hmac.HMAC:
        *kept_for, keyed = self._kept
        if kept_for != [day, access_key, secret_key]:
            key = f"AWS4{secret_key}".encode()
            for part in (day, self._region, self._service, "aws4_request"):
                key = hmac.digest(key, part.encode(), DIGEST)
            keyed = hmac.new(key, digestmod=DIGEST)
            self._kept = (day, access_key, secret_key, keyed)
        return keyed
