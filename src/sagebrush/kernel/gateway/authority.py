"""The local certificate authority of the transparent door.

Its certificate is constrained to Amazon's domains (RFC 5280, 4.2.1.10), so that whoever trusts it trusts nothing else
to this machine.
"""

import os
import ssl
import tempfile
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from importlib.resources import files as package
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from sagebrush.kernel.base import files

DOMAINS = ("amazonaws.com", "amazonaws.com.cn", "api.aws")

_CA_DAYS = 3650
_LEAF_DAYS = 365
_CONTEXTS = 4096  # hosts whose certificates are kept; virtual-host buckets make many
_VARIABLES = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "AWS_CA_BUNDLE", "CURL_CA_BUNDLE")
_SYSTEM = (
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
)


class Authority:
    """A key and a certificate under `<data>/ca`, made once, and a TLS context for each host on demand.

    `certificate` is our root alone, for AWS_CA_BUNDLE; `bundle` is the machine's usual roots and ours, for
    REQUESTS_CA_BUNDLE and SSL_CERT_FILE.
    """

    def __init__(self, folder: Path, environment: Mapping[str, str] = os.environ) -> None:
        self.certificate = folder / "ca.pem"
        self.bundle = folder / "bundle.pem"
        self._folder = folder
        self._key, self._root = self._load() if self._valid() else self._make()
        self._leaf_key = ec.generate_private_key(ec.SECP256R1())
        self._contexts: dict[str, ssl.SSLContext] = {}
        self._write_bundle(environment)

    def context(self, host: str) -> ssl.SSLContext:
        """Return the TLS context that answers for `host`, a name below one of DOMAINS."""
        context = self._contexts.get(host)
        if context is None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.minimum_version = ssl.TLSVersion.TLSv1_2
            context.set_alpn_protocols(["http/1.1"])
            with tempfile.NamedTemporaryFile(dir=self._folder, suffix=".pem") as chain:  # 0600; ssl reads files only
                chain.write(_private(self._leaf_key) + _public(self._mint(host)) + _public(self._root))
                chain.flush()
                context.load_cert_chain(chain.name)
            while len(self._contexts) >= _CONTEXTS:
                self._contexts.pop(next(iter(self._contexts)))
            self._contexts[host] = context
        return context

    @property
    def _key_file(self) -> Path:
        return self._folder / "ca.key"

    def _valid(self) -> bool:
        """Whether there is an authority that lasts for another month."""
        if not (self.certificate.exists() and self._key_file.exists()):
            return False
        root = x509.load_pem_x509_certificate(self.certificate.read_bytes())
        return root.not_valid_after_utc > datetime.now(UTC) + timedelta(days=30)

    def _load(self) -> tuple[ec.EllipticCurvePrivateKey, x509.Certificate]:
        key = serialization.load_pem_private_key(self._key_file.read_bytes(), password=None)
        assert isinstance(key, ec.EllipticCurvePrivateKey)
        return key, x509.load_pem_x509_certificate(self.certificate.read_bytes())

    def _make(self) -> tuple[ec.EllipticCurvePrivateKey, x509.Certificate]:
        key = ec.generate_private_key(ec.SECP256R1())
        name = _name("Sagebrush local authority")
        builder = _builder(name, name, key.public_key(), key.public_key(), _CA_DAYS)
        root = (
            builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_usage(signs_certificates=True), critical=True)
            .add_extension(x509.NameConstraints([x509.DNSName(domain) for domain in DOMAINS], None), critical=True)
            .sign(key, hashes.SHA256())
        )
        files.write(self._key_file, _private(key))
        files.write(self.certificate, _public(root))
        return key, root

    def _mint(self, host: str) -> x509.Certificate:
        # A common name holds 64 characters at most, so the host is in the alternative name alone.
        name, issuer = _name("Sagebrush"), self._root.subject
        builder = _builder(name, issuer, self._leaf_key.public_key(), self._key.public_key(), _LEAF_DAYS)
        return (
            builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_usage(signs_certificates=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
            .add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
            .sign(self._key, hashes.SHA256())
        )

    def _write_bundle(self, environment: Mapping[str, str]) -> None:
        named = [environment[name] for name in _VARIABLES if environment.get(name)]
        defaults = ssl.get_default_verify_paths()
        candidates = [*named, defaults.cafile or "", *_SYSTEM, str(package("botocore") / "cacert.pem")]
        base = next((path for path in map(Path, candidates) if path.is_file() and path != self.bundle), None)
        roots = base.read_bytes().rstrip() + b"\n" if base else b""
        files.write(self.bundle, roots + self.certificate.read_bytes())


def ours(host: str) -> bool:
    """Whether `host` is Amazon's, so that nothing sent to it may leave this machine."""
    return any(host == domain or host.endswith(f".{domain}") for domain in DOMAINS)


def _builder(
    name: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePublicKey,
    issuer_key: ec.EllipticCurvePublicKey,
    days: int,
) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=days))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key), critical=False)
    )


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates, key_cert_sign=signs_certificates, crl_sign=signs_certificates,
        content_commitment=False, key_encipherment=False, data_encipherment=False, key_agreement=False,
        encipher_only=False, decipher_only=False,
    )  # fmt: skip


def _private(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _public(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)
