"""Settings from environment variables, and the one-line error for a wrong one."""

import sys
from typing import Annotated, Literal, Self

from pydantic import AliasChoices, BeforeValidator, Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

PREFIX = "ROWCAST_"
CONFIGURATION_ERROR_EXIT_CODE = 2

Port = Annotated[int, Field(ge=0, le=65535)]


def _split(value: object) -> object:
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split(",") if part.strip())
    return value


Names = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split)]
"""Comma-separated in the environment."""


def _named(variable: str, field: str) -> AliasChoices:
    """Another environment variable's name (Dapr's), while code may still pass the field by its own."""
    return AliasChoices(variable, field)


class Settings(BaseSettings):
    """What all of Rowcast's services share; each adds its own fields in a subclass.

    A field `some_thing` is read from `ROWCAST_SOME_THING`, except the ones that Dapr names itself.
    """

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_ignore_empty=True,
        extra="ignore",
        validate_by_name=True,
        frozen=True,
        hide_input_in_errors=True,
        use_attribute_docstrings=True,
    )

    http_host: str = "127.0.0.1"
    """The address to listen on."""
    http_port: Port = 8080
    """The port to listen on."""
    log_format: Literal["json", "console"] = "json"
    """One JSON object a line, or coloured text."""
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """The least severe level that is logged."""
    dapr_http_port: Port = Field(default=3500, validation_alias=_named("DAPR_HTTP_PORT", "dapr_http_port"))
    """The sidecar's HTTP port; Dapr sets it."""
    dapr_grpc_port: Port = Field(default=50001, validation_alias=_named("DAPR_GRPC_PORT", "dapr_grpc_port"))
    """The sidecar's gRPC port; Dapr sets it."""
    app_api_token: SecretStr | None = Field(default=None, validation_alias=_named("APP_API_TOKEN", "app_api_token"))
    """The token that the sidecar shows with every request; without it everybody may call."""
    dapr_api_token: SecretStr | None = Field(default=None, validation_alias=_named("DAPR_API_TOKEN", "dapr_api_token"))
    """The token that the sidecar wants to see."""
    pubsub: str = "pubsub"
    """The name of the Dapr pub/sub component."""
    topic_prefix: Annotated[str, Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}$")] = "rowcast"
    """What the topics' names begin with; platforms that share a broker need different ones. The connector's as well."""
    otlp_endpoint: str | None = Field(
        default=None, validation_alias=_named("OTEL_EXPORTER_OTLP_ENDPOINT", "otlp_endpoint")
    )
    """Where traces are sent (OTLP over HTTP), such as `http://collector:4318`; without it there are none."""
    max_body_bytes: Annotated[int, Field(gt=0)] = 16 * 1024 * 1024
    """The largest request body that is read, in bytes."""
    shutdown_seconds: Annotated[float, Field(gt=0)] = 20.0
    """How long requests in flight may take to end after SIGTERM, in seconds."""
    drain_seconds: Annotated[float, Field(ge=0)] = 0.0
    """How long requests are still taken after SIGTERM, while `/readyz` says no already, in seconds."""

    @property
    def status_topic(self) -> str:
        """The topic that tells what became of each row."""
        return f"{self.topic_prefix}.sync-status"

    @property
    def dead_letter_topic(self) -> str:
        """The topic of events that can't be delivered, with their reasons."""
        return f"{self.topic_prefix}.dead-letters"

    def replay_topic(self, target: str) -> str:
        """A target's topic of what is to be delivered once more, and what no sidecar can read: raw, not events."""
        return f"{self.topic_prefix}.replay.{target}"

    @classmethod
    def load(cls) -> Self:
        """Reads the environment; a wrong or missing value ends the process with code 2 and one line on stderr."""
        try:
            return cls()
        except ValidationError as error:
            sys.stderr.write(f"rowcast: invalid configuration: {describe(cls, error)}\n")
            raise SystemExit(CONFIGURATION_ERROR_EXIT_CODE) from None


def describe(settings: type[Settings], error: ValidationError) -> str:
    """One line that names every wrong variable and the reason; never a value, which may be a secret.

    What is wrong with several together names them itself.
    """
    return "; ".join(
        f"{variable_name(settings, str(e['loc'][0]))}: {e['msg']}" if e["loc"] else e["msg"] for e in error.errors()
    )


def variable_name(settings: type[Settings], field: str) -> str:
    """The environment variable that sets `field` (or that already is `field`, as for aliases)."""
    info = settings.model_fields.get(field)
    if info is None:
        return field
    if isinstance(info.validation_alias, AliasChoices):
        return str(info.validation_alias.choices[0])
    return f"{PREFIX}{field.upper()}"
