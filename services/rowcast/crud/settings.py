"""What crud reads from the environment."""

import json
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, SecretStr, field_validator, model_validator
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from rowcast.core.broker import BrokerKind
from rowcast.core.promotion import Promotion, promotion_of
from rowcast.runtime.connect_access import ConnectAccess, without_login
from rowcast.runtime.known_targets import KnownTargets
from rowcast.runtime.loopback import is_loopback
from rowcast.runtime.settings import Names, Settings

LEAST_AUDIT_DAYS = 30
"""The database lets nothing of the audit go before."""
_DRIVER = "postgresql+psycopg2"
_OF_CONFIGURATIONS = {"match": ["application"], "along": "environment", "fields": ["branch"]}
_COLUMNS = {
    "match": {"application", "name", "repository_url"},
    "along": {"environment"},
    "fields": {"branch", "repository_url"},
}


class CrudSettings(ConnectAccess, KnownTargets, Settings):
    """All of crud's settings; only `database_url` has no default."""

    database_url: SecretStr
    """The database, as the role that serves (`migrate`: its owner): `postgresql://user:password@host:5432/name`."""
    database_password_file: Path | None = None
    """A file with the password, read at every login instead of the URL's: one that changes needs no restart."""
    owner_url: SecretStr | None = None
    """The database with its owner's access, with which `migrate` works instead; `serve --migrate` needs both."""
    serving_role: Annotated[str, Field(pattern=r"^[a-z_][a-z0-9_]{0,62}$")] = "rowcast_crud"
    """The role for crud to serve as, which `migrate` makes; platforms that share a server need different ones."""
    serving_password: SecretStr | None = None
    """The password of that role, which `migrate` sets; without it the role exists but no password lets it in."""
    replication_role: Annotated[str, Field(pattern=r"^[a-z_][a-z0-9_]{0,62}$")] = "rowcast_replication"
    """The role that the connector logs in as; platforms that share a database server need different ones."""
    replication_password: SecretStr | None = None
    """The password of that role; without it the role exists but no password lets it in."""
    allow_file_urls: bool = False
    """Whether `file:` URLs are taken as repositories: whoever clones them reads its own disk."""
    promotion: str = ""
    """How configurations are promoted, as JSON with `order` and what else `spec.promotion` of a declaration has:
    `{"order": ["dev", "prod"], "gates": {"healthy": "30m"}}`; by default they are not."""
    policy: Path | None = None
    """A file that says who may do what, read again when it changes; without one the dashboard's roles decide alone."""
    policy_default: Annotated[str, Field(pattern=r"^(role:[^\s,]{1,100})?$")] = ""
    """The role of everybody for whom an issuer or the dashboard's login vouches, such as `role:readonly`; by default
    none.
    """
    issuers: Path | None = None
    """A file (YAML) with the issuers whose tokens are believed, read again when it changes; without one none is."""
    dashboards: Names = ("ui",)
    """The app-ids that are believed about who sits before them; comma-separated."""
    requests_per_second: Annotated[float, Field(ge=0)] = 50.0
    """How many requests a second one caller may make in the long run, at each pod; 0: as many as they like.

    Callers are those for whom somebody vouches, each by their name, and who shows a token that is worth nothing, by
    their address; never the targets' instances.
    """
    requests_burst: Annotated[int, Field(ge=1)] = 200
    """How many of them they may make at once."""
    audit_days: Annotated[int, Field(ge=0)] = 365
    """How long is kept who did what and who was refused what, in days, 30 at least; 0: for ever."""
    proposal_days: Annotated[int, Field(ge=1)] = 90
    """How long a proposal is kept that nobody has decided, and one after it was decided, in days; both then go."""
    overdue_seconds: Annotated[float, Field(gt=0)] = 60.0
    """How long a change may take to arrive before it counts as overdue, in seconds."""
    tombstone_days: Annotated[int, Field(ge=0)] = 30
    """How long is kept what a deleted row of any table was, in days, longer than the broker keeps events; 0: for ever.

    What a target hasn't confirmed stays longer.
    """
    broker: BrokerKind = "kafka"
    """Which broker is behind the sidecars, for `GET /pipeline`: its name and what to do about it."""
    capture: Literal["connect", "engine"] = "connect"
    """What captures changes, for `GET /pipeline`: a connector at Kafka Connect, or `rowcast capture`."""
    capture_slot: Annotated[str, Field(pattern=r"^[a-z0-9_]{1,63}$")] = "rowcast"
    """The replication slot that capture reads, for `GET /pipeline`; the connector's as well."""
    connector_name: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,249}$")] = "rowcast"
    """The connector's name at Connect, for `GET /pipeline`; the connector's as well."""
    connect_url: str | None = None
    """Kafka Connect's REST interface, for `GET /pipeline`; without it the connector's state is unknown there."""
    database_pool_size: Annotated[int, Field(ge=1, le=1000)] = 10
    """Connections that are kept open."""
    database_pool_overflow: Annotated[int, Field(ge=0, le=1000)] = 10
    """Connections opened beyond those at need."""
    database_pool_wait_seconds: Annotated[float, Field(gt=0)] = 5.0
    """How long a request waits for a connection, in seconds."""
    database_connect_seconds: Annotated[int, Field(ge=1)] = 5
    """How long connecting may take, in seconds."""
    database_statement_seconds: Annotated[float, Field(gt=0)] = 30.0
    """How long one statement may take, in seconds."""
    database_lock_seconds: Annotated[float, Field(gt=0)] = 3.0
    """How long a statement waits for a lock that another transaction holds, in seconds."""
    stream_stall_seconds: Annotated[float, Field(gt=0)] = 20.0
    """How long the reader of an export or a snapshot may take for 64 KiB before it is cut off, in seconds."""
    stream_seconds: Annotated[float, Field(gt=0)] = 900.0
    """How long an export or a snapshot may take in all before its reader is cut off, in seconds."""

    @field_validator("database_url", "owner_url")
    @classmethod
    def _is_postgresql(cls, value: SecretStr | None) -> SecretStr | None:
        if value is None:
            return None
        try:
            url = make_url(value.get_secret_value())
        except (ArgumentError, ValueError):
            raise ValueError("must be a URL such as postgresql://user@host:5432/database") from None
        if url.get_backend_name() not in ("postgresql", "postgres"):
            raise ValueError("must start with postgresql://")
        return value

    @field_validator("promotion")
    @classmethod
    def _is_promotion(cls, value: str) -> str:
        _promotion(value)
        return value

    @field_validator("connect_url")
    @classmethod
    def _has_no_login(cls, value: str | None) -> str | None:
        return None if value is None else without_login(value)

    @model_validator(mode="after")
    def _is_captured(self) -> Self:
        if self.capture == "connect" and self.broker != "kafka":
            raise ValueError(
                f"ROWCAST_BROKER={self.broker} needs ROWCAST_CAPTURE=engine: Kafka Connect publishes to Kafka alone"
            )
        return self

    @model_validator(mode="after")
    def _knows_its_sidecar(self) -> Self:
        if self.policy is not None and self.app_api_token is None and not is_loopback(self.http_host):
            raise ValueError(
                "ROWCAST_POLICY needs APP_API_TOKEN: without it, who reaches the port can say to be any sidecar"
            )
        if 0 < self.audit_days < LEAST_AUDIT_DAYS:
            raise ValueError(f"ROWCAST_AUDIT_DAYS must be 0, or {LEAST_AUDIT_DAYS} at least")
        return self

    @property
    def promotion_of_configurations(self) -> Promotion | None:
        """None where no order is set."""
        return _promotion(self.promotion)

    @property
    def as_owner(self) -> "CrudSettings":
        """The same, with the owner's access for the database."""
        if self.owner_url is None:
            return self
        return self.model_copy(update={"database_url": self.owner_url, "database_password_file": None})

    @property
    def sqlalchemy_url(self) -> URL:
        """The database's URL with the driver that Rowcast uses, whichever it was written with."""
        return make_url(self.database_url.get_secret_value()).set(drivername=_DRIVER)


def _promotion(text: str) -> Promotion | None:
    """Raises ValueError."""
    if not text.strip():
        return None
    try:
        given = json.loads(text)
    except (ValueError, RecursionError):
        raise ValueError('must be JSON, such as {"order": ["dev", "prod"]}') from None
    promotion, problems = promotion_of(given, _OF_CONFIGURATIONS)
    if promotion is not None:
        named = {"match": promotion.match, "along": (promotion.along,), "fields": promotion.fields}
        for member, names in named.items():
            known = _COLUMNS[member]
            problems += [((member,), f"{name} is none of {', '.join(sorted(known))}") for name in {*names} - known]
    if problems:
        raise ValueError("; ".join(": ".join(filter(None, (".".join(path), said))) for path, said in problems))
    return promotion
