"""Keys and certificates in files, made once; among them the API server's own, for the loopback only."""

import datetime
import ipaddress
import os
from collections.abc import Sequence
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from rowcast_local.ports import HOST

LIFETIME = datetime.timedelta(days=3650)
CRITICAL = (x509.BasicConstraints, x509.KeyUsage)


def settle_key(file: Path) -> ec.EllipticCurvePrivateKey:
    """The private key in `file`, made now if there is none; readable by its owner alone."""
    if not file.exists():
        key = ec.generate_private_key(ec.SECP256R1())
        text = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
        )
        _write(file, text)
    loaded = serialization.load_pem_private_key(file.read_bytes(), password=None)
    if not isinstance(loaded, ec.EllipticCurvePrivateKey):
        raise TypeError(f"{file} holds another kind of key")
    return loaded


def settle_certificate(file: Path, key: ec.EllipticCurvePrivateKey) -> None:
    """A certificate for `key` that vouches for itself, so that it is its own CA, in `file`; made if there is none."""
    if file.exists():
        return
    name = common_name("rowcast local API server")
    extensions = (
        x509.SubjectAlternativeName([alternative(HOST), alternative("localhost")]),
        x509.BasicConstraints(ca=True, path_length=0),
        usage(digital_signature=True, key_cert_sign=True),
    )
    _write(file, sign(name, key.public_key(), name, key, LIFETIME, extensions))


def sign(
    subject: x509.Name,
    key: ec.EllipticCurvePublicKey,
    issuer: x509.Name,
    issuer_key: ec.EllipticCurvePrivateKey,
    lifetime: datetime.timedelta,
    extensions: Sequence[x509.ExtensionType] = (),
) -> bytes:
    """The certificate, as PEM, in which `issuer` says that `key` is the `subject`'s; good from yesterday on."""
    now = datetime.datetime.now(datetime.UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + lifetime)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()), critical=False)
    )
    for extension in extensions:
        builder = builder.add_extension(extension, critical=isinstance(extension, CRITICAL))
    return builder.sign(issuer_key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def common_name(name: str) -> x509.Name:
    """A name that is nothing but a common name."""
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def alternative(host: str) -> x509.GeneralName:
    """A server's address or its name, as its certificate has it."""
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def usage(*, digital_signature: bool = False, key_cert_sign: bool = False, crl_sign: bool = False) -> x509.KeyUsage:
    """What a key may be used for, and nothing else."""
    return x509.KeyUsage(
        digital_signature=digital_signature,
        key_cert_sign=key_cert_sign,
        crl_sign=crl_sign,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _write(file: Path, content: bytes) -> None:
    draft = file.with_suffix(".draft")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as stream:
        stream.write(content)
    draft.rename(file)
