"""TLS for a test: an authority, a server certificate for loopback names, and a client that trusts it."""

import ssl
from dataclasses import dataclass
from pathlib import Path

import trustme


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificates:
    """`environment` turns TLS on in a server, `client` is for who talks to it."""

    environment: dict[str, str]
    client: ssl.SSLContext


def make_certificates(directory: Path) -> Certificates:
    """Write a certificate and its key to `directory`."""
    authority = trustme.CA()
    server = authority.issue_cert("localhost", "127.0.0.1", "::1")
    chain, key = directory / "chain.pem", directory / "key.pem"
    server.private_key_pem.write_to_path(key)
    for certificate in server.cert_chain_pems:
        certificate.write_to_path(chain, append=True)
    client = ssl.create_default_context()
    client.load_verify_locations(cadata=authority.cert_pem.bytes().decode())
    return Certificates(
        environment={
            "MCP_RUNTIME_HTTP_TLS_CERTIFICATE_FILE": str(chain),
            "MCP_RUNTIME_HTTP_TLS_KEY_FILE": str(key),
        },
        client=client,
    )
