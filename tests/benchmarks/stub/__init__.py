"""The stub server: a DynamoDB that is not the bottleneck, compiled by `java` as it starts."""

from __future__ import annotations

import contextlib
import json
import shutil
import ssl
import subprocess
import tempfile
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.benchmarks import items
from tests.support.dynamodb_local import EngineMissingError

PASSWORD = "benchmark"
PAGE_BYTES = 1_000_000  # of items, as DynamoDB counts them: its pages hold a megabyte
VALID_FOR = ("-validity", "2", "-dname", "CN=127.0.0.1", "-ext", "san=ip:127.0.0.1,dns:localhost")
AUTHORITY = ("-ext", "bc:critical=ca:true", "-ext", "ku=keyCertSign,digitalSignature")


@dataclass(frozen=True)
class Counted:
    """What a stub has done since it started."""

    items: int
    requests: int
    cpu_seconds: float


@dataclass(frozen=True)
class Stub:
    """A running stub. `ca_bundle` is the file that makes a client trust it, None where it speaks plain HTTP."""

    endpoint: str
    ca_bundle: Path | None

    def counted(self) -> Counted:
        """What it has done."""
        return Counted(**self._told(""))

    def units(self) -> list[int]:
        """Write units that it took in each tenth of a second since it started."""
        units: list[int] = self._told("units")
        return units

    def _told(self, path: str) -> Any:
        context = None if self.ca_bundle is None else ssl.create_default_context(cafile=str(self.ca_bundle))
        with urllib.request.urlopen(self.endpoint + path, context=context, timeout=10) as answer:  # noqa: S310 - loopback
            return json.load(answer)


@contextlib.contextmanager
def running(*, size: int, per_partition: int, tls: bool) -> Iterator[Stub]:
    """A stub that holds `per_partition` items of `size` bytes in every partition that is asked for."""
    if shutil.which("java") is None or shutil.which("keytool") is None:
        message = "java and keytool are not on PATH; the stub server needs a JDK of Java 17 or later"
        raise EngineMissingError(message)
    with tempfile.TemporaryDirectory(prefix="portability-stub-") as folder:
        template, keystore = Path(folder, "item.json"), Path(folder, "keys.p12")
        template.write_text(items.template(size), encoding="ascii")
        argv = ["java", "-Xms64m", "-Xmx512m", "-XX:+UseSerialGC", str(Path(__file__).with_name("Stub.java"))]
        argv += [str(template), str(per_partition), str(PAGE_BYTES // size), str(size)]
        if tls:
            argv += [str(keystore), PASSWORD]
        ca_bundle = _certificate(keystore) if tls else None
        process = subprocess.Popen(
            argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        try:
            port = process.stdout.readline().strip() if process.stdout else ""
            if not port:
                message = f"the stub server did not start (a JDK of Java 17 or later is needed): {_said(process)}"
                raise EngineMissingError(message)
            yield Stub(f"{'https' if tls else 'http'}://127.0.0.1:{port}/", ca_bundle)
        finally:
            process.communicate()  # it ends with its standard input


def _said(process: subprocess.Popen[str]) -> str:
    return process.communicate()[1][-2000:]


def _certificate(keystore: Path) -> Path:
    """Make a key and its own certificate; the certificate in PEM, for clients."""
    store = ["-keystore", str(keystore), "-storepass", PASSWORD, "-storetype", "PKCS12", "-alias", "stub"]
    subprocess.run(
        ["keytool", "-genkeypair", *store, "-keyalg", "EC", "-groupname", "secp256r1", *VALID_FOR, *AUTHORITY],
        check=True,
        capture_output=True,
    )
    pem = keystore.with_suffix(".pem")
    subprocess.run(["keytool", "-exportcert", "-rfc", *store, "-file", str(pem)], check=True, capture_output=True)
    return pem
