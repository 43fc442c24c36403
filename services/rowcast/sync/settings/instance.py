"""Settings of one sync instance: one target, one sidecar, one consumer group."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import AliasChoices, Field, JsonValue, ValidationInfo, field_validator, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource

from rowcast.core.layout import DEFAULT_PATH, DNS_LABEL, Layout
from rowcast.core.reconcile import PRUNE_LIMIT
from rowcast.core.targets import KINDS, TargetKind, check_name, kind_of
from rowcast.runtime.settings import Settings
from rowcast.sync.forges.registry import repository_in
from rowcast.sync.settings.addresses import check_api, check_remote
from rowcast.sync.settings.overrides import ANY, destinations


class SyncSettings(Settings):
    """What an instance delivers to, and how it takes its events."""

    target: str
    """The name of the target that this instance delivers to, as `ROWCAST_TARGETS` has it: a DNS label of 58 characters
    at most. Of its statuses, metrics and dead letters, and with `sync-` before it the application's id."""
    target_kind: TargetKind = Field(default="", validate_default=True)
    """What it delivers to, `k8s` or `git`; only to be said where the target is called otherwise."""
    subscription: Literal["bulk", "single"] = "bulk"
    """Whether the sidecar hands events over in batches or one by one."""
    batch_size: Annotated[int, Field(ge=1, le=5000)] = 1000
    """Most events in one batch."""
    batch_wait_ms: Annotated[int, Field(ge=1, le=10_000)] = 10
    """How long the sidecar gathers a batch, in ms: it is latency."""

    broker_confirms: bool = True
    """Whether what the broker has taken can be relied on. Where not (RabbitMQ behind Dapr), a dead letter counts as
    published when crud says that it has it, and a status that is not recorded is published again."""

    reconcile_seconds: Annotated[float, Field(ge=0)] = 300.0
    """How often the whole table is compared with the target, in seconds; 0 for never."""
    reconcile_prune_limit: Annotated[float, Field(ge=0, le=1)] = PRUNE_LIMIT
    """The largest share of the target's rows that a reconcile removes; beyond it, it refuses and does nothing."""
    drift: Literal["correct", "report"] = "correct"
    """Whether differences that Rowcast finds by itself are put right or only told; asked to reconcile, it does."""
    late_seconds: Annotated[float, Field(ge=1, le=3600)] = 60.0
    """How often rows are looked for whose change has not arrived, since its event or status was lost, in seconds."""

    namespace: str = "rowcast"
    """The namespace of the custom resources (k8s)."""
    kubeconfig: str | None = Field(default=None, validation_alias=AliasChoices("KUBECONFIG", "kubeconfig"))
    """A kubeconfig file; without one, the pod's service account."""
    kube_context: str | None = None
    """The kubeconfig's context; without one, its current context (k8s)."""
    in_flight: Annotated[int, Field(ge=1, le=256)] = 32
    """Most requests to the API server under way at once."""

    git_url: str | None = Field(default=None, validate_default=True)
    """The repository, without a login in it; required for the kind git."""
    git_branch: str = "main"
    """The branch to commit to."""
    git_root: str = "environments"
    """The folder in the repository below which Rowcast's files are."""
    git_path: str = DEFAULT_PATH
    """The template of files' paths below the root, with the fields `{environment}`, `{plural}`, `{kind}`, `{name}`,
    `{table}`, `{id}` and `{shard}`; one part of it has `{name}` or `{id}` and no other field."""
    git_kustomization: bool = False
    """Whether each folder with files of Rowcast's has a `kustomization.yaml` that lists them."""
    git_signing_key: Path | None = None
    """A file with the private key that signs commits, without a passphrase; read anew for each commit."""
    git_signing_format: Literal["ssh", "openpgp"] = "ssh"
    """What kind of key that is: one of SSH, or one that `gpg --export-secret-keys` has written."""
    git_username: str = "rowcast"
    """The user's name at an http(s) remote; any will do for most forges' tokens."""
    git_username_file: Path | None = None
    """A file with that name, in its place; read anew at each use."""
    git_password_file: Path | None = None
    """A file with the password or token for an http(s) remote; read anew at each use."""
    git_ssh_key: Path | None = None
    """A file with the private key for a remote by SSH; read anew at each use."""
    git_known_hosts: Path | None = None
    """A file with the server keys that are trusted (`ssh-keyscan`); with `git_ssh_key`, no other is."""
    git_cache: Path | None = Field(default=None, validate_default=True)
    """The folder of the local mirror, required for the kind git; it belongs to this instance alone."""

    git_mode: Literal["push", "pull-request"] = "push"
    """Whether changes are pushed to the branch, or proposed to it by a pull request that people merge."""
    git_forge: Literal["gitea", "github", "gitlab"] | None = Field(default=None, validate_default=True)
    """What has the pull requests (gitea: Forgejo, too); required for the mode pull-request."""
    git_forge_url: str | None = Field(default=None, validate_default=True, pattern=r"^https?://")
    """The base of the forge's API, such as `https://git.example.com/api/v1` (Gitea), `https://api.github.com`,
    `https://gitlab.com/api/v4`; required for the mode pull-request."""
    git_forge_token_file: Path | None = Field(default=None, validate_default=True)
    """A file with the API's token, read anew each time; required for the mode pull-request."""
    git_proposal_branch: str | None = Field(default=None, validate_default=True)
    """The branch of Rowcast's own that its pull request is of; `rowcast/` and the branch's name without it."""
    git_poll_seconds: Annotated[float, Field(gt=0)] = 15.0
    """How often the branch and the pull request are looked at when there is nothing to deliver, in seconds."""

    gitops_engine: Literal["none", "argocd", "flux"] = "none"
    """What makes the commits real (git): it is asked to look after each push, and what it made of them is told."""
    gitops_application: Annotated[str, Field(pattern=r"^([a-z0-9][-a-z0-9.]*/[a-z0-9][-a-z0-9.]*)?$")] = ""
    """`namespace/name` of Argo CD's Application, or of Flux' GitRepository and Kustomization, which share a name."""

    environments: dict[str, dict[str, JsonValue] | None] = Field(default={}, validate_default=False)
    """Where the rows of single environments go instead, as JSON: by environment (`*`: all that are not named) what it
    has of its own of the settings `git_…` or `namespace`, `kubeconfig`, `kube_context`; `null`: not delivered by this
    instance. Such as `{"prod": {"git_branch": "release"}, "sandbox": null}`."""

    @property
    def topic(self) -> str:
        """The topic of change events, as Debezium names it: prefix, schema and table."""
        return f"{self.topic_prefix}.public.app_configs"

    @field_validator("target")
    @classmethod
    def _target_is_a_name(cls, value: str) -> str:
        return check_name(value)

    @field_validator("target_kind", mode="before")
    @classmethod
    def _kind_is_known(cls, value: object, info: ValidationInfo) -> object:
        name = info.data.get("target")
        return kind_of(name, str(value) if value else None) if name is not None else KINDS[0]

    @field_validator("environments", mode="after")
    @classmethod
    def _environments_are_labels(cls, value: dict[str, Any]) -> dict[str, Any]:
        for environment in value:
            if environment != ANY and not DNS_LABEL.fullmatch(environment):
                raise ValueError(f"{environment!r} is not a DNS-1123 label")
        return value

    @model_validator(mode="after")
    def _destinations_are_places(self) -> Self:
        if self.environments:
            try:
                several = len(destinations(self).by_route) > 1
            except ValueError as error:
                raise ValueError(f"ROWCAST_ENVIRONMENTS: {error}") from None
            if several and self.gitops_engine != "none":
                raise ValueError(
                    "ROWCAST_GITOPS_ENGINE: one Application follows one branch; ROWCAST_ENVIRONMENTS has more"
                )
        return self

    @model_validator(mode="after")
    def _engine_has_an_application(self) -> Self:
        if self.gitops_engine != "none" and self.target_kind != "git":
            raise ValueError("ROWCAST_GITOPS_ENGINE: only for a target of the kind git")
        if self.gitops_engine != "none" and not self.gitops_application:
            raise ValueError(f"ROWCAST_GITOPS_APPLICATION: required when ROWCAST_GITOPS_ENGINE={self.gitops_engine}")
        return self

    @field_validator("git_path")
    @classmethod
    def _git_path_is_safe(cls, value: str) -> str:
        return Layout(path=value).path

    @field_validator("git_url", "git_cache")
    @classmethod
    def _git_needs_it(cls, value: object, info: ValidationInfo) -> object:
        if value is None and info.data.get("target_kind") == "git":
            raise ValueError("required for a target of the kind git")
        return value

    @field_validator("git_forge", "git_forge_url", "git_forge_token_file")
    @classmethod
    def _pull_requests_need_it(cls, value: object, info: ValidationInfo) -> object:
        if value is None and _proposes(info):
            raise ValueError("required when ROWCAST_GIT_MODE=pull-request")
        return value

    @field_validator("git_url")
    @classmethod
    def _git_url_is_a_remote(cls, value: str | None) -> str | None:
        return None if value is None else check_remote(value)

    @field_validator("git_forge_url")
    @classmethod
    def _forge_url_is_an_api(cls, value: str | None) -> str | None:
        return None if value is None else check_api(value)

    @field_validator("git_forge_url")
    @classmethod
    def _forge_has_repository(cls, value: str | None, info: ValidationInfo) -> str | None:
        if value is not None and _proposes(info) and info.data.get("git_url"):
            repository_in(info.data["git_url"])
        return value

    @field_validator("git_mode")
    @classmethod
    def _proposals_have_no_kustomization(cls, value: str, info: ValidationInfo) -> str:
        if value == "pull-request" and info.data.get("git_kustomization"):
            raise ValueError("pull-request: not together with ROWCAST_GIT_KUSTOMIZATION")
        return value

    @field_validator("git_proposal_branch")
    @classmethod
    def _proposal_is_another_branch(cls, value: str | None, info: ValidationInfo) -> str | None:
        if value is not None and value == info.data.get("git_branch"):
            raise ValueError("it must be another branch than ROWCAST_GIT_BRANCH")
        return value

    @staticmethod
    def given(values: Mapping[str, Any]) -> SyncSettings:
        """Settings from these values and nothing of the environment. Raises ValidationError."""
        return _Given(**values)


class _Given(SyncSettings):
    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return (init_settings,)


def _proposes(info: ValidationInfo) -> bool:
    return info.data.get("target_kind") == "git" and info.data.get("git_mode") == "pull-request"
