"""Which client carries the hot operations: our own, unless the set-up asks for what it does not do.

Source: botocore's settings (endpoint, proxies, certificates, signature); AWS SDKs and Tools Reference.
"""

from __future__ import annotations

import os
from typing import Any
from urllib.parse import urlsplit

from botocore.client import BaseClient
from botocore.httpsession import create_urllib3_context, get_cert_path
from botocore.session import Session
from botocore.utils import get_environ_proxies

from portability.aws.http import Endpoint


def endpoint_of(client: BaseClient, session: Session) -> Endpoint | None:
    """Where our own client connects in place of this boto3 client, and by what certificates; None where it must not.

    It does not: go through a proxy, show a certificate, ask another service for its endpoint, speak to an endpoint
    below a path, or sign in any other way than by version 4.
    """
    config: Any = client.meta.config  # its members are made at run time
    url = client.meta.endpoint_url
    to = urlsplit(url)
    unusual = (
        config.proxies,
        get_environ_proxies(url),
        config.client_cert,
        config.signature_version != "v4",
        config.auth_scheme_preference,
        str(session.get_config_variable("endpoint_discovery_enabled")).lower() == "true",
        config.account_id_endpoint_mode == "required",
        client.meta.service_model.resolved_protocol != "json",
        to.scheme not in {"http", "https"},
        to.hostname is None,
        to.path not in {"", "/"},
        to.username or to.query,
    )
    if any(unusual) or to.hostname is None:
        return None
    secure = to.scheme == "https"
    context = None
    if secure:
        context = create_urllib3_context()
        context.check_hostname = True
        bundle: Any = session.get_config_variable("ca_bundle") or os.environ.get("REQUESTS_CA_BUNDLE") or True
        context.load_verify_locations(get_cert_path(bundle))
    return Endpoint(
        url=f"{url.rstrip('/')}/",
        host=to.hostname,
        port=to.port or (443 if secure else 80),
        tls=context,
        connect_timeout=config.connect_timeout,
        read_timeout=config.read_timeout,
    )
