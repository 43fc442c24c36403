"""The cluster's own certificate authority, and the certificates and kubeconfigs that it gives out."""

import base64
import datetime
from collections.abc import Sequence
from pathlib import Path

import yaml
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from rowcast_local.credentials import write_private
from rowcast_local.parts.certificates import alternative, common_name, settle_key, sign, usage

LIFETIME = datetime.timedelta(days=365)
# Python 3.13 verifies strictly: an authority's certificate has to say that it signs others.
CERTIFICATES_ONLY = usage(key_cert_sign=True, crl_sign=True)


class Authority:
    """An authority whose files, and those of everybody it vouches for, are in `folder`."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.folder = folder
        self._key = settle_key(folder / "ca.key")
        self._name = common_name("rowcast test cluster")
        self.certificate = folder / "ca.crt"
        if not self.certificate.exists():
            extensions = (x509.BasicConstraints(ca=True, path_length=0), CERTIFICATES_ONLY)
            signed = sign(self._name, self._key.public_key(), self._name, self._key, LIFETIME, extensions)
            self.certificate.write_bytes(signed)

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
            extensions.append(x509.SubjectAlternativeName([alternative(host) for host in hosts]))
        certificate, key = self.folder / f"{name}.crt", self.folder / f"{name}.key"
        public = settle_key(key).public_key()
        certificate.write_bytes(sign(x509.Name(subject), public, self._name, self._key, LIFETIME, extensions))
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


def _in(file: Path) -> str:
    return base64.b64encode(file.read_bytes()).decode()
