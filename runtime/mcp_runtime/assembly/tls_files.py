"""The check of certificate and key. Rule: what OpenSSL refuses is the operator's error, said before they are served."""

from mcp_runtime.config import Config, ConfigError


def check_tls_files(config: Config) -> None:
    """Raises ConfigError where the configured certificate and key cannot be used together."""
    http = config.http
    if not http.tls_certificate_file:
        return
    import ssl

    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(
            # Without this, OpenSSL would ask for a passphrase on the terminal.
            http.tls_certificate_file,
            http.tls_key_file,
            password=lambda: "",
        )
    except (ssl.SSLError, OSError) as error:
        raise ConfigError(
            config.origin.file or "environment",
            "http.tls_certificate_file",
            f"{http.tls_certificate_file} and {http.tls_key_file} cannot be used: {error}",
            "give a PEM certificate chain, and its private key without a passphrase",
        ) from None
