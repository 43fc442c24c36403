"""What goes in and out over HTTP."""

from contextvars import ContextVar
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, Field, WithJsonSchema, model_validator
from pydantic_core import PydanticCustomError

from rowcast.core import rules
from rowcast.core.targets import TargetKind
from rowcast.crud.fields import MAX_BATCH, MAX_ID, Strict, Time


def _checked(check: rules.Check) -> AfterValidator:
    def validate(value: str) -> str:
        broken = check(value)
        if broken is not None:
            raise PydanticCustomError(broken.rule, broken.message)
        return value

    return AfterValidator(validate)


def _string(description: str, example: str, max_length: int, pattern: str | None = None) -> WithJsonSchema:
    schema: dict[str, Any] = {"type": "string", "description": description, "examples": [example], "minLength": 1}
    schema["maxLength"] = max_length
    if pattern is not None:
        schema["pattern"] = f"^{pattern}$"
    return WithJsonSchema(schema)


Name = Annotated[
    str,
    _checked(rules.check_label),
    _string("Unique; becomes the custom resource's name.", "checkout", rules.LABEL_MAX, rules.LABEL_PATTERN),
]
FILE_URLS: ContextVar[bool] = ContextVar("file_urls", default=False)
"""Whether a repository may be a `file:` URL in this request (ROWCAST_ALLOW_FILE_URLS)."""


def _check_url(value: str) -> rules.BrokenRule | None:
    return rules.check_url(value, FILE_URLS.get())


RepositoryUrl = Annotated[
    str,
    _checked(_check_url),
    _string("The application's Git repository.", "https://git.example/shop/checkout.git", rules.URL_MAX),
]
Person = Annotated[
    str,
    _checked(rules.check_user),
    _string("In whose name it would be saved; who asks, if it is left out.", "ada", rules.USER_MAX),
]
Branch = Annotated[str, _checked(rules.check_branch), _string("The branch to deploy from.", "main", rules.BRANCH_MAX)]
Environment = Annotated[
    str,
    _checked(rules.check_label),
    _string("Where it is deployed.", "staging", rules.LABEL_MAX, rules.LABEL_PATTERN),
]
Application = Annotated[
    str,
    _checked(rules.check_label),
    _string(
        "Which application it is, in all its environments; the name, if it is left out.",
        "checkout",
        rules.LABEL_MAX,
        rules.LABEL_PATTERN,
    ),
]
Generation = Annotated[int, Field(ge=1, le=MAX_ID)]


class AppConfigIn(Strict):
    """A whole configuration, as created or put."""

    name: Name
    repository_url: RepositoryUrl
    branch: Branch = "main"
    environment: Environment
    application: Application | None = None


def _not_null(value: object) -> object:
    if value is None:
        raise PydanticCustomError("not_null", "must be left out or have a value")
    return value


_Given = BeforeValidator(_not_null)


class AppConfigChange(Strict):
    """The fields to change; the others stay."""

    name: Annotated[Name, _Given] = ""
    repository_url: Annotated[RepositoryUrl, _Given] = ""
    branch: Annotated[Branch, _Given] = ""
    environment: Annotated[Environment, _Given] = ""
    application: Annotated[Application, _Given] = ""

    def fields(self) -> dict[str, str]:
        """Only what was given."""
        return self.model_dump(exclude_unset=True)


class AppConfigOut(BaseModel):
    """One row."""

    id: int
    name: str
    application: str = Field(description="which application it is: its name, unless it was given another")
    repository_url: str
    branch: str
    environment: str
    generation: int
    created_at: Time
    updated_at: Time
    updated_by: str
    updated_by_verified: bool = Field(default=False, description="whether a login vouched for that person")

    @model_validator(mode="before")
    @classmethod
    def _named(cls, row: Any) -> Any:
        return {**row, "application": row.get("application") or row.get("name")} if isinstance(row, dict) else row


class PreviewIn(Strict):
    """A configuration as it would be saved: over the row `id`, or as a new one."""

    id: Annotated[int, Field(ge=1, le=MAX_ID)] | None = None
    config: AppConfigIn
    updated_by: Person | None = None


class TargetSync(BaseModel):
    """What became of a row at one target."""

    state: Literal["synced", "pending", "failed"]
    observed_generation: int | None = None
    outcome: str | None = None
    reference: str | None = Field(default=None, description="resourceVersion, or the commit's sha")
    error: str | None = None
    updated_at: Time | None = None
    pending_since: Time | None = Field(default=None, description="when the oldest change was made that it hasn't got")
    overdue: bool = Field(default=False, description="pending for longer than ROWCAST_OVERDUE_SECONDS")
    stage: Literal["proposed", "committed", "synced", "healthy", "failed"] | None = Field(
        default=None,
        description="how far it has come beyond its delivery: whether what is in the cluster is ready, or in Git,"
        " where a GitOps engine or a review follows",
    )
    stage_error: str | None = Field(default=None, description="what is wrong, or not ready yet, and which object")
    link: str | None = Field(default=None, description="the pull request that proposes it")


class AppConfigListed(AppConfigOut):
    """One row, and what became of it, by target."""

    sync: dict[str, TargetSync]
    deleted_at: Time | None = Field(default=None, description="set for a row that is gone, in the list of `deleting`")


class AppConfigPage(BaseModel):
    """A part of a list. `next_cursor` continues it, null at its end; `total` counts the whole list, up to 10,000;
    `total_capped`: there are more.
    """

    items: list[AppConfigListed]
    next_cursor: str | None
    total: int
    total_capped: bool


class CreateItem(Strict):
    """Create a row."""

    action: Literal["create"]
    config: AppConfigIn


class UpdateItem(Strict):
    """Change a row, if it is still at `generation` (if given)."""

    action: Literal["update"]
    id: Annotated[int, Field(ge=1, le=MAX_ID)]
    generation: Generation | None = None
    config: AppConfigChange


class DeleteItem(Strict):
    """Delete a row, if it is still at `generation` (if given)."""

    action: Literal["delete"]
    id: Annotated[int, Field(ge=1, le=MAX_ID)]
    generation: Generation | None = None


BatchItem = Annotated[CreateItem | UpdateItem | DeleteItem, Field(discriminator="action")]


class BatchIn(Strict):
    """Changes that are made all or not at all."""

    items: Annotated[list[BatchItem], Field(min_length=1, max_length=MAX_BATCH)]


class BatchOut(BaseModel):
    """The rows as they are now, in the order of the items; null for a deleted one."""

    items: list[AppConfigOut | None]


class PromotionRecord(BaseModel):
    """A promotion, or a request for one: `fields` has what was there and what is copied, as both were seen."""

    id: int
    renderer: str
    from_key: str
    from_place: str
    from_generation: int
    to_key: str
    to_place: str
    to_generation: int
    fields: dict[str, tuple[Any, Any]]
    state: Literal["awaiting", "promoted", "refused", "outdated"]
    asked_by: str
    asked_by_verified: bool
    asked_at: Time
    decided_by: str | None = Field(description="who approved or refused it")
    decided_by_verified: bool | None
    decided_at: Time | None
    why: str | None = Field(description="why it was refused, or is outdated")
    generation: int | None = Field(description="of the row that was made")


class ProposalRecord(BaseModel):
    """The proposal that a change was: who has proposed it, and who has approved it."""

    id: int
    comment: str | None
    asked_by: str
    asked_by_verified: bool
    asked_at: Time
    decided_by: str
    decided_by_verified: bool
    decided_at: Time


class HistoryEntry(BaseModel):
    """One change of a row."""

    change: Literal["created", "updated", "deleted"]
    generation: int
    changed_at: Time
    changed_by: str
    changed_by_verified: bool = Field(default=False, description="whether a login vouched for that person")
    before: AppConfigOut | None
    after: AppConfigOut | None
    promotion: PromotionRecord | None = Field(default=None, description="the promotion that this change was")
    proposal: ProposalRecord | None = Field(default=None, description="the proposal that was approved by it")


class HistoryPage(BaseModel):
    """A row's changes, newest first."""

    items: list[HistoryEntry]
    next_cursor: str | None


class SyncTimes(BaseModel):
    """When a change was committed, captured by sync, delivered, and when its status was recorded here."""

    saved: Time | None = None
    captured: Time | None = None
    delivered: Time | None = None
    recorded: Time | None = None


class TargetStatus(TargetSync):
    """What became of a row at one target, and when."""

    kind: TargetKind | None = Field(default=None, description="what the target delivers to; null: it is there no more")
    times: SyncTimes = SyncTimes()


class StatusOut(BaseModel):
    """What became of a row at each target. `generation` is null when the row is gone."""

    id: int
    generation: int | None
    deleting: bool = Field(default=False, description="the row is gone, its object at some target may not be")
    targets: dict[str, TargetStatus]
