"""Archive objects, each with the SHA-256 of its bytes. Source: AWS S3 PutObject, HeadObject, GetObject, ListBuckets."""

from __future__ import annotations

import base64
import binascii
import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from portability import errors
from portability.aws.caller import Caller

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


@dataclass(frozen=True)
class Stored:
    """What the bucket says of an object: its bytes, and their SHA-256 in hex where one was stored with it."""

    size: int
    sha256: str | None


class S3:
    """Objects of one region and role. Thread-safe. A put is one attempt; repeating it is harmless."""

    def __init__(self, client: S3Client, call: Caller) -> None:
        self._client = client
        self._call = call

    def buckets(self) -> list[str]:
        """The names of the account's buckets. AWS: ListBuckets."""
        return [bucket["Name"] for bucket in self._call(self._client.list_buckets).get("Buckets", [])]

    def put(self, bucket: str, key: str, body: bytes) -> str:
        """Store the bytes, at most 5 GB; the service compares them with their SHA-256. Returns it in hex.

        Raises `NotFound` (no such bucket), `Unauthorised`, `NoDefiniteAnswer`, `Unavailable`: put it again.
        """
        digest = hashlib.sha256(body).digest()
        checksum = base64.b64encode(digest).decode()
        checked = {"ChecksumAlgorithm": "SHA256", "ChecksumSHA256": checksum}
        self._call(self._client.put_object, Bucket=bucket, Key=key, Body=body, **checked)
        return digest.hex()

    def head(self, bucket: str, key: str) -> Stored | None:
        """What is stored there, None where nothing is."""
        try:
            answer = self._call(self._client.head_object, Bucket=bucket, Key=key, ChecksumMode="ENABLED")
        except errors.NotFound:
            return None
        return Stored(size=answer["ContentLength"], sha256=_hex(answer.get("ChecksumSHA256")))

    def exists(self, bucket: str, key: str) -> bool:
        """Whether there is an object of that key."""
        return self.head(bucket, key) is not None

    def get(self, bucket: str, key: str) -> bytes:
        """The whole object; its stored checksum is compared on the way. Raises `NotFound`, `Unavailable`."""

        def read() -> bytes:
            return self._client.get_object(Bucket=bucket, Key=key, ChecksumMode="ENABLED")["Body"].read()

        return self._call.around(self._client.get_object, read, where=bucket)


def _hex(checksum: str | None) -> str | None:
    try:
        return None if checksum is None else base64.b64decode(checksum, validate=True).hex()
    except binascii.Error:
        return None  # of a multipart upload: a checksum of checksums, which says nothing of the bytes
