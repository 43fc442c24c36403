"""The cluster's own certificate authority, and the certificates and kubeconfigs that it gives out."""

import base64
import datetime
import ipaddress
from collections.abc import Sequence
from pathlib import Path

import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from rowcast_local.credentials import write_private
from rowcast_local.parts.certificates import settle_key

LIFETIME = datetime.timedelta(days=365)
CRITICAL = (x509.BasicConstraints, x509.KeyUsage)
# Python 3.13 verifies strictly: an authority's certificate has to say that it signs others.
CERTIFICATES_ONLY = x509.KeyUsage(
    key_cert_sign=True,
    crl_sign=True,
    digital_signature=False,
    content_commitment=False,
    key_encipherment=False,
    data_encipherment=False,
    key_agreement=False,
    encipher_only=False,
    decipher_only=False,
)


class Authority:
    """An authority whose files, and those of everybody it vouches for, are in `folder`."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.folder = folder
        self._key = settle_key(folder / "ca.key")
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "rowcast test cluster")])
        self.certificate = folder / "ca.crt"
        if not self.certificate.exists():
            constraints = x509.BasicConstraints(ca=True, path_length=0)
            self._sign(self.certificate, self._name, self._key.public_key(), [constraints, CERTIFICATES_ONLY])

    def key(self, name: str) -> Path:
        """A private key without a certificate."""
        file = self.folder / f"{name}.key"
        settle_key(file)
        return file

    def issue(self, name: str, user: str, groups: Sequence[str] = (), hosts: Sequence[str] = ()) -> tuple[Path, Path]:
        """A certificate and its key, for `user` of `groups` as a client and, if there are `hosts`, as their server."""
        subject = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, group) for group in groups]
        subject.append(x509.NameAttribute(NameOID.COMMON_NAME, user))
        uses = [ExtendedKeyUsageOID.CLIENT_AUTH, *([ExtendedKeyUsageOID.SERVER_AUTH] if hosts else [])]
        extensions: list[x509.ExtensionType] = [x509.ExtendedKeyUsage(uses)]
        if hosts:
            extensions.append(x509.SubjectAlternativeName([_host(host) for host in hosts]))
        certificate, key = self.folder / f"{name}.crt", self.folder / f"{name}.key"
        self._sign(certificate, x509.Name(subject), settle_key(key).public_key(), extensions)
        return certificate, key

    def kubeconfig(self, name: str, server: str, user: str, groups: Sequence[str] = ()) -> Path:
        """A kubeconfig for `user` of `groups`, with all that it needs inside."""
        certificate, key = self.issue(name, user, groups)
        content = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [
                {"name": "rowcast", "cluster": {"server": server, "certificate-authority-data": _in(self.certificate)}}
            ],
            "users": [
                {"name": user, "user": {"client-certificate-data": _in(certificate), "client-key-data": _in(key)}}
            ],
            "contexts": [{"name": "rowcast", "context": {"cluster": "rowcast", "user": user}}],
            "current-context": "rowcast",
        }
        file = self.folder / f"{name}.kubeconfig"
        write_private(file, yaml.safe_dump(content, sort_keys=False))
        return file

    def _sign(
        self, file: Path, subject: x509.Name, key: ec.EllipticCurvePublicKey, extensions: Sequence[x509.ExtensionType]
    ) -> None:
        now = datetime.datetime.now(datetime.UTC)
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(days=1))
            .not_valid_after(now + LIFETIME)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False)
        )
        for extension in extensions:
            builder = builder.add_extension(extension, critical=isinstance(extension, CRITICAL))
        signed = builder.sign(self._key, hashes.SHA256())
        file.write_bytes(signed.public_bytes(serialization.Encoding.PEM))


def _host(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _in(file: Path) -> str:
    return base64.b64encode(file.read_bytes()).decode()
