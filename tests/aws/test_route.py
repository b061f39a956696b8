"""Which client carries the hot operations, and over which certificates."""

from __future__ import annotations

import datetime as dt
import ipaddress
import ssl
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from portability import errors
from portability.aws.attributes import raw_item
from portability.aws.items import BotoItems
from portability.aws.requests import Condition
from portability.aws.session import Aws
from portability.aws.wire import WireItems
from portability.retry import Retry
from tests.aws.stub import Heard, http, serving
from tests.conftest import REGION

IN_A = Condition("#pk = :pk", {"#pk": "pk"}, {":pk": {"S": "a"}})


@pytest.fixture(autouse=True)
def credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDTESTING")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")


def session(*, wire: bool = True) -> Aws:
    return Aws(region=REGION, read_only=False, retry=Retry(attempts=1), wire=wire)


def certificate(folder: Path, address: str = "127.0.0.1") -> tuple[Path, ssl.SSLContext]:
    """A certificate that signs itself, and a server's context with it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "stub")])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(address))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    bundle, private = folder / "bundle.pem", folder / "key.pem"
    bundle.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    private.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(bundle, private)
    return bundle, context


def test_our_own_client_carries_the_hot_operations_unless_it_is_told_otherwise() -> None:
    assert isinstance(session().items(), WireItems)
    assert isinstance(session().items(region="eu-west-1"), WireItems)
    assert isinstance(session(wire=False).items(), BotoItems)


@pytest.mark.parametrize(
    ("name", "value"),
    (
        ("HTTPS_PROXY", "http://127.0.0.1:1"),
        ("https_proxy", "http://127.0.0.1:1"),
        ("ALL_PROXY", "http://127.0.0.1:1"),
        ("AWS_ENDPOINT_URL_DYNAMODB", "https://127.0.0.1:1/below/a/path"),
        ("AWS_ENDPOINT_DISCOVERY_ENABLED", "true"),
        ("AWS_ACCOUNT_ID_ENDPOINT_MODE", "required"),
    ),
)
def test_boto3_carries_them_where_the_set_up_is_unusual(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(name, value)
    assert isinstance(session().items(), BotoItems)


@pytest.mark.parametrize(
    ("name", "value", "url"),
    (
        ("AWS_USE_DUALSTACK_ENDPOINT", "true", "https://dynamodb.us-east-1.api.aws/"),
        ("AWS_USE_FIPS_ENDPOINT", "true", "https://dynamodb-fips.us-east-1.amazonaws.com/"),
        ("AWS_ENDPOINT_URL_DYNAMODB", "http://[::1]:8000/", "http://[::1]:8000/"),
        ("NO_PROXY", "*", "https://dynamodb.us-east-1.amazonaws.com/"),
    ),
)
def test_our_own_client_goes_where_boto3_would(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, url: str
) -> None:
    if name == "NO_PROXY":
        monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv(name, value)
    items = session().items()
    assert isinstance(items, WireItems)
    assert items._wire._pool.endpoint.url == url


@pytest.mark.parametrize("setting", ("AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE"))
def test_a_server_is_believed_by_the_bundle_that_the_environment_names(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, setting: str
) -> None:
    bundle, context = certificate(tmp_path)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    page = {"Count": 200, "Items": [{"pk": {"S": "x" * 1000}}] * 200}

    def answer(heard: Heard) -> bytes:
        return http(200, page if heard.operation == "Query" else {})

    with serving(answer, tls=context) as stub:
        monkeypatch.setenv("AWS_ENDPOINT_URL_DYNAMODB", stub.endpoint)
        monkeypatch.setenv(setting, str(bundle))
        items = session().items()
        assert isinstance(items, WireItems)
        for _ in range(3):
            found = items.query("t", IN_A)
            assert len(found.items) == 200
            items.batch_write("t", found.items[:25], [])
            assert stub.heard[-1].body.count(b"x" * 1000) == 25
        assert stub.connections == 1
        items.close()


def test_a_server_that_is_not_believed_hears_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    own, stranger = tmp_path / "own", tmp_path / "stranger"
    own.mkdir()
    stranger.mkdir()
    bundle, elsewhere = certificate(own, "127.0.0.2")
    for believed, context in ((certificate(stranger)[0], certificate(own)[1]), (bundle, elsewhere)):
        with serving(http(200, {}), tls=context) as stub:
            monkeypatch.setenv("AWS_ENDPOINT_URL_DYNAMODB", stub.endpoint)
            monkeypatch.setenv("AWS_CA_BUNDLE", str(believed))
            items = session().items()
            assert isinstance(items, WireItems)
            with pytest.raises(errors.EndpointDown):
                items.batch_write("t", [raw_item({"pk": {"S": "a"}})], [])
            assert stub.heard == []


def test_a_server_that_speaks_no_tls_hears_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with serving(http(200, {})) as stub:
        monkeypatch.setenv("AWS_ENDPOINT_URL_DYNAMODB", stub.endpoint.replace("http:", "https:"))
        with pytest.raises(errors.EndpointDown):
            session().items().batch_write("t", [raw_item({"pk": {"S": "a"}})], [])
        assert all(heard.operation != "BatchWriteItem" for heard in stub.heard)
