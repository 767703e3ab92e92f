"""A TLS certificate signed by itself: browsers offer gamepads and touch feedback to secure pages only."""

import datetime
import hashlib
import ipaddress
import socket
import ssl
import tempfile
from pathlib import Path
from typing import Any

from bc_core.errors import BcError
from bc_teleop.browser.config import BrowserConfig

_LIFETIME = datetime.timedelta(days=30)


def server_context(config: BrowserConfig) -> tuple[ssl.SSLContext, str]:
    """Context of the server, and the certificate's SHA-256 fingerprint. BcError: its files cannot be used."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if config.certificate:
        try:
            context.load_cert_chain(config.certificate, config.key)
            pem = Path(config.certificate).read_text(encoding="ascii")
        except (OSError, ssl.SSLError) as error:
            raise BcError(
                f"certificate '{config.certificate}' with key '{config.key}' cannot be used ({error}): "
                "give PEM files, or leave both empty for one that is made"
            ) from error
        return context, _fingerprint(pem)
    with tempfile.TemporaryDirectory() as folder:  # readable by this user only; ssl takes files and nothing else
        certificate, key = Path(folder, "certificate.pem"), Path(folder, "key.pem")
        certificate_pem, key_pem = self_signed(config.host)
        certificate.write_bytes(certificate_pem)
        key.write_bytes(key_pem)
        context.load_cert_chain(certificate, key)
    return context, _fingerprint(certificate_pem.decode())


def self_signed(host: str) -> tuple[bytes, bytes]:
    """Certificate and key (PEM) for a host, this machine's name and localhost. BcError: cryptography is missing."""
    x509, hashes, serialization, ec = _cryptography()
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "bc_ros teleoperation")])
    now = datetime.datetime.now(datetime.UTC)
    alternatives = [x509.DNSName("localhost"), x509.DNSName(socket.gethostname())]
    try:
        alternatives.append(x509.IPAddress(ipaddress.ip_address(host)))
    except ValueError:
        alternatives.append(x509.DNSName(host))
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))  # clocks differ
        .not_valid_after(now + _LIFETIME)
        .add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    encoding = serialization.Encoding.PEM
    return certificate.public_bytes(encoding), key.private_bytes(
        encoding, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _fingerprint(pem: str) -> str:
    first = pem[: pem.index("-----END CERTIFICATE-----")] + "-----END CERTIFICATE-----"
    return hashlib.sha256(ssl.PEM_cert_to_DER_cert(first)).hexdigest().upper()


def _cryptography() -> tuple[Any, Any, Any, Any]:
    try:
        from cryptography import x509
        from cryptography.hazmat.primitives import hashes, serialization
        from cryptography.hazmat.primitives.asymmetric import ec
    except ImportError as error:
        raise BcError(
            "device 'browser' needs the package cryptography for its certificate: pip install cryptography==50.0.2, "
            "or set browser.certificate and browser.key"
        ) from error
    return x509, hashes, serialization, ec
