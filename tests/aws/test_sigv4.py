"""Our signature against botocore's."""

from __future__ import annotations

import string

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from hypothesis import given
from hypothesis import strategies as st

from portability.aws.sigv4 import Signer

WORD = st.text(string.ascii_letters + string.digits + "/+=._-", min_size=1, max_size=40)
DAYS = st.dates().map(lambda day: day.strftime("%Y%m%d").zfill(8))
HEADERS = st.dictionaries(
    st.sampled_from(("content-type", "x-amz-target", "x-amz-security-token", "x-a", "x-b")), WORD, max_size=5
)


def botocores(access: str, secret: str, headers: dict[str, str], body: bytes, region: str) -> str:
    signer = SigV4Auth(Credentials(access, secret), "dynamodb", region)
    request = AWSRequest(method="POST", url=f"https://{headers['host']}/", headers=headers, data=body)
    request.context["timestamp"] = headers["x-amz-date"]
    to_sign = signer.string_to_sign(request, signer.canonical_request(request))
    names = signer.signed_headers(signer.headers_to_sign(request))
    signature = signer.signature(to_sign, request)
    return f"AWS4-HMAC-SHA256 Credential={signer.scope(request)}, SignedHeaders={names}, Signature={signature}"


@given(
    requests=st.lists(
        st.tuples(WORD, WORD, HEADERS, st.binary(max_size=200), DAYS, st.integers(0, 235959)), min_size=1, max_size=4
    ),
    region=st.sampled_from(("us-east-1", "eu-west-1")),
)
def test_whatever_is_signed_in_turn_is_signed_as_botocore_signs_it(
    requests: list[tuple[str, str, dict[str, str], bytes, str, int]], region: str
) -> None:
    signer = Signer(region, "dynamodb")
    for access, secret, more, body, day, clock in requests:
        at = f"{day}T{clock:06}Z"
        headers = {"host": "dynamodb.us-east-1.amazonaws.com", "x-amz-date": at, **more}
        theirs = botocores(access, secret, headers, body, region)
        assert signer.draft(access, secret, headers, at=at).authorization(body) == theirs


def test_a_key_is_kept_for_its_day_and_credentials_only() -> None:
    signer = Signer("us-east-1", "dynamodb")
    for access, secret, day in (
        ("A", "s", "20260101"),
        ("A", "t", "20260101"),
        ("B", "t", "20260101"),
        ("B", "t", "20260102"),
    ):
        headers = {"host": "h", "x-amz-date": f"{day}T000000Z"}
        at = headers["x-amz-date"]
        theirs = botocores(access, secret, headers, b"{}", "us-east-1")
        assert [signer.draft(access, secret, headers, at=at).authorization(b"{}") for _ in range(2)] == [theirs] * 2
