"""The commands `rowcast renderer …` about files that ask a database or a cluster; the rest is in `renderer_cli.py`."""

import json
import math
import sys
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
import yaml
from sqlalchemy import Connection

from rowcast.core.renderer import Renderer
from rowcast.core.rights import Account
from rowcast.core.shapes import RowShape
from rowcast.core.source import TableName
from rowcast.crud.sources.apply import AdministratorError, apply, store
from rowcast.crud.sources.catalogue import read_table
from rowcast.crud.sources.database import (
    SourceError,
    capture_of,
    known_tables,
    owned,
    read_row,
    reading,
    refuse_without_triggers,
    wait_until_migrated,
    writing,
)
from rowcast.crud.sources.grants import editing_grants, excess_grants, grant_editing, revocation, revoke_editing
from rowcast.crud.sources.installed import noted_fault
from rowcast.renderers.cel import Language
from rowcast.renderers.columns import check_row, write_columns
from rowcast.renderers.declaration import check, read_kinds, read_renderer, read_source
from rowcast.renderers.draft import draft, key_of_draft
from rowcast.renderers.files import (
    Columns,
    DatabaseUrl,
    Declarations,
    Tables,
    declarations,
    problems_of,
    read_text,
    tables_of,
)
from rowcast.renderers.golden import as_yaml, read_tests
from rowcast.renderers.positions import ProblemsError, read
from rowcast.renderers.rendering import render
from rowcast.renderers.rights import RBAC, manifests, rules
from rowcast.renderers.schemas import Kinds, KindSchema, read_schema, schemas_of
from rowcast.runtime.exits import UsageError, told

SERVING_ROLE = "rowcast_crud"
app = typer.Typer()
Kubeconfig = Annotated[
    Path | None,
    typer.Option(envvar="KUBECONFIG", help="The cluster's access [default: ~/.kube/config, or else the pod's own]"),
]
Declaration = Annotated[Path, typer.Argument(metavar="FILE", help="The declaration.")]
ServingRole = Annotated[
    str,
    typer.Option(
        envvar="ROWCAST_SERVING_ROLE", help="The role that crud serves as: it may edit the tables of `edit: true`."
    ),
]
_SCHEMAS = "schemas"
ServiceAccount = Annotated[str, typer.Option(help="Who delivers, as NAMESPACE/NAME.", metavar="NAMESPACE/NAME")]
User = Annotated[str | None, typer.Option(help="Who delivers where that is a user and no service account.")]
SYNC_K8S = "rowcast/rowcast-sync-k8s"


class RightsForm(StrEnum):
    """What rights are printed as."""

    MANIFESTS = "manifests"
    VALUES = "values"


@app.command()
def init(
    table: Annotated[str, typer.Argument(help="The table, as NAME or SCHEMA.NAME.")],
    database_url: DatabaseUrl = None,
    output: Annotated[Path | None, typer.Option("-o", "--output", help="Write this file, instead of stdout.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite the file.")] = False,
) -> None:
    """Write a first declaration of a table: its key, a name, and a ConfigMap of its columns.

    Columns whose names sound secret are left out. Exit codes: 0 done, 1 there is no such table, it has no key, or the
    file is there, 2 wrong options.
    """

    with told():
        schema, _, name = table.rpartition(".")
        full = TableName(schema or "public", name)
        with reading(required(database_url)) as connection:
            found = read_table(connection, full)
        if found is None:
            raise SourceError(f"there is no table {full}")
        refuse_without_triggers(found)
        if not found.keys:
            raise SourceError(f"{full} has no primary key, nor a unique index of columns that are never NULL")
        key = key_of_draft(found.shape())
        if key is None:
            raise SourceError(
                f"expressions can read names of A-Z, a-z, 0-9 and _, and the key of {full} is"
                f" {', '.join(found.keys[0])}: give it a NOT NULL column with such a name and a unique index"
                " (GENERATED ALWAYS AS … STORED will do)"
            )
        _write(draft(full, found.shape(), key), output, force)


@app.command()
def columns(
    file: Declaration,
    database_url: DatabaseUrl = None,
    output: Annotated[Path | None, typer.Option("-o", "--output", help="Write this file, instead of stdout.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite the file.")] = False,
) -> None:
    """Save the columns of the tables that a declaration names, to check and test it without a database.

    FILE.columns.yaml beside FILE.yaml is found by itself. Exit codes: 0 done, 1 a table isn't there, 2 wrong options.
    """

    with told(), problems_of(file):
        source = read_source(read_text(file))
        with reading(required(database_url)) as connection:
            capture = capture_of(connection, source)
        tables = {table.name: table.shape() for table in (capture.table, *capture.related.values())}
        _write(write_columns(tables), output, force)


@app.command(name="check")
def check_files(
    context: typer.Context,
    files: Declarations,
    database_url: DatabaseUrl = None,
    columns: Columns = None,
    schemas: Annotated[
        Path | None,
        typer.Option(help="The folder of the kinds' schemas [default: `schemas` beside FILE, if it is there]"),
    ] = None,
    cluster: Annotated[bool, typer.Option("--cluster", help="Ask the cluster of KUBECONFIG for the schemas.")] = False,
    kubeconfig: Kubeconfig = None,
    rights: Annotated[
        bool, typer.Option("--rights", help="Also ask the cluster of KUBECONFIG what sync-k8s is not allowed.")
    ] = False,
    service_account: ServiceAccount = SYNC_K8S,
    user: User = None,
) -> None:
    """Check declarations, their expressions' types by the tables' columns: every problem as FILE:LINE:COLUMN.

    With schemas of the kinds (see `schemas`) also their fields: names, types, and what has to be there.
    With a database, also whether changes of the table were not captured. Exit codes: 0 no problem, 1 problems, 2 wrong
    options, or neither a database nor a file of columns.
    """
    problems = 0
    renderers: list[Renderer] = []
    with told():
        for file in declarations(files):
            text = read_text(file)
            try:
                kinds = _cluster_kinds(text, kubeconfig) if cluster else _saved_kinds(file, schemas)
                with _tables(file, columns, database_url) as table:
                    renderer, _ = check(text, table, kinds)
                    renderers.append(renderer)
                    read_tests(text)
                if database_url:
                    _judge_capture(text, renderer, database_url)
            except ProblemsError as error:
                problems += len(error.problems)
                for problem in error.problems:
                    typer.echo(f"{file}:{problem}")
            else:
                typer.echo(f"{file}: no problem", err=True)
        if rights:
            account = _account(service_account, user)
            lacks = context.obj(renderers, account)
            problems += len(lacks)
            for need in lacks:
                typer.echo(f"{account.user} {need}")
        if problems:
            raise typer.Exit(1)


@app.command(name="schemas")
def save_schemas(
    files: Annotated[list[Path], typer.Argument(metavar="FILE…", help="The declarations.")],
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="The folder [default: `schemas` beside each FILE]")
    ] = None,
    kubeconfig: Kubeconfig = None,
) -> None:
    """Save the schemas of the kinds that declarations may make (`allow`), from a cluster, to check without it.

    A file for each version of a kind. `schemas` beside FILE is found by `check` by itself. Exit codes: 0 done,
    1 problems, the cluster doesn't answer, or doesn't have a kind, 2 wrong options.
    """
    with told():
        for file in files:
            with problems_of(file):
                text = read_text(file)
                found = list(_ask_cluster(text, kubeconfig))
                lacking = {*read_kinds(text)} - {each.allowed_as for each in found}
            folder = output or file.with_name(_SCHEMAS)
            folder.mkdir(parents=True, exist_ok=True)
            for each in found:
                (folder / each.file_name).write_text(each.as_json(), encoding="utf-8")
                typer.echo(str(folder / each.file_name))
            if lacking:
                raise SourceError(f"{file}: the cluster has no {', '.join(sorted(lacking))}")


@app.command(name="render")
def render_row(
    file: Declaration,
    row: Annotated[Path | None, typer.Option(help="A file with a row as JSON; `-` is stdin.", allow_dash=True)] = None,
    key: Annotated[
        list[str] | None, typer.Option(help="A row of the database: its key, once for each of its columns.")
    ] = None,
    database_url: DatabaseUrl = None,
    columns: Columns = None,
) -> None:
    """Print the manifests of a row as YAML, in the order in which they are applied.

    A row that `where` leaves out prints nothing. Exit codes: 0 done, 1 problems, or the row can't be rendered,
    2 wrong options.
    """

    with told(), problems_of(file):
        if (row is None) == (not key):
            raise UsageError("name either --row or --key")
        text = read_text(file)
        with _tables(file, columns, database_url) as table:
            renderer, shape = check(text, table)
        if key:
            with reading(required(database_url)) as connection:
                content = read_row(connection, capture_of(connection, renderer.source), key)
        else:
            content = _row(row)
        typer.echo(_render(renderer, shape, content), nl=False)


@app.command()
def sql(
    file: Annotated[Path, typer.Option("-f", "--file", help="The declaration.")],
    database_url: DatabaseUrl = None,
    remove: Annotated[bool, typer.Option("--remove", help="The SQL that takes it away again; the rows stay.")] = False,
    owner: Annotated[
        bool,
        typer.Option(
            "--owner/--no-owner",
            help="Whether it is run by the tables' owner. Without, who sets session_replication_role bypasses capture.",
        ),
    ] = True,
    serving_role: ServingRole = SERVING_ROLE,
) -> None:
    """Print the SQL that captures a declaration's table into `rowcast.rows`, for a database administrator. Not run.

    It is one transaction, and can be run again; `apply` runs it, too. With `edit: true` it also lets crud's role change
    the table's rows, and `--remove` takes that right away. Exit codes: 0 done, 1 problems, 2 wrong options.
    """

    with told(), problems_of(file):
        text = read_text(file)
        with _tables(file, None, required(database_url)) as table:
            renderer, _ = check(text, table)
        with reading(required(database_url)) as connection:
            capture = capture_of(connection, renderer.source, owner)
            edit, table_name = renderer.source.edit, renderer.source.table
            rights = revocation(connection, table_name, serving_role) if edit and remove else []
            if edit and not remove:
                rights = _statements(connection, table_name, serving_role)
        typer.echo(capture.removal() if remove else capture.script(), nl=False)
        _print_statements(rights)


@app.command(name="apply")
def apply_files(
    files: Declarations,
    database_url: DatabaseUrl = None,
    serving_role: ServingRole = SERVING_ROLE,
    wait: Annotated[bool, typer.Option("--wait", help="Wait until the database answers and is migrated.")] = False,
    timeout: Annotated[float, typer.Option(min=0, help="Seconds to wait at most; 0: for ever.")] = 300,
    no_assign: Annotated[
        bool,
        typer.Option("--no-assign", help="Only keep each as a revision, by which no row goes on before a roll-out."),
    ] = False,
) -> None:
    """Make declarations count: their tables are captured, and their rows delivered as they say.

    The login has to be that of Rowcast's owner, with TRIGGER and SELECT on the tables. Without these, what captures a
    table has to be there as this declaration needs it; if it isn't, the SQL that an administrator has to run is printed
    (as by `sql`), and nothing is changed. Each is a new revision if its text has changed, by which all of its rows go
    on. With `edit: true` crud's role gets the right to change the table's rows, and without it loses what it was given
    before; where the login can't do that, what has to be run is printed. One that can't be applied leaves what is live
    as it is, and keeps no other from being applied. Can be run again; not while a roll-out is under way. Exit codes:
    0 done, 1 problems, or the database refuses one, or an administrator is needed, 2 wrong options, 3 the database
    wasn't there within --timeout.
    """
    with told():
        url = required(database_url)
        found = declarations(files)
        if wait:
            wait_until_migrated(url, timeout or math.inf)
    failures: list[int] = []
    for file in found:
        try:
            with told(), problems_of(file):
                _store(file, url) if no_assign else _apply(file, url, serving_role)
        except typer.Exit as failure:
            failures.append(failure.exit_code)
    if failures:
        raise typer.Exit(max(failures))


def _apply(file: Path, url: str, serving_role: str) -> None:
    declaration = read_text(file)
    with _tables(file, None, url) as table:
        renderer, shape = check(declaration, table)
    try:
        with writing(url) as connection:
            capture = capture_of(connection, renderer.source, owned(connection, renderer.source))
            edited, name = renderer.source.table if renderer.source.edit else None, renderer.name
            try:
                applied = apply(connection, declaration, renderer, shape, capture)
            except AdministratorError as error:
                typer.echo(error.script, nl=False)
                _print_statements(_statements(connection, edited, serving_role) if edited else [])
                _print_statements(excess_grants(connection, name, serving_role, renderer.source))
                raise
            lacking = grant_editing(connection, edited, serving_role) if edited else []
            excess = revoke_editing(connection, name, serving_role, renderer.source)
    except AdministratorError:
        raise
    except SourceError as error:
        raise SourceError(f"{file}: {error}") from None
    rows = f"{applied.captured} rows captured, {applied.assigned} follow"
    what = f"revision {applied.revision}{'' if applied.new else ', unchanged'}"
    typer.echo(f"{file}: {renderer.name} {what}: {rows}")
    for statement in lacking:
        typer.echo(f"{file}: {serving_role} can't edit {edited} before its owner has run: {statement};", err=True)
    for statement in excess:
        typer.echo(f"{file}: {serving_role} has more rights than it needs before {statement}; is run", err=True)


def _statements(connection: Connection, table: TableName, serving_role: str) -> list[str]:
    return [grant.statement for grant in editing_grants(connection, table, serving_role)]


def _print_statements(statements: Sequence[str]) -> None:
    for statement in statements:
        typer.echo(f"{statement};")


def _store(file: Path, url: str) -> None:
    declaration = read_text(file)
    with _tables(file, None, url) as table:
        renderer, shape = check(declaration, table)
    try:
        with writing(url) as connection:
            stored = store(connection, declaration, renderer, shape)
    except SourceError as error:
        raise SourceError(f"{file}: {error}") from None
    typer.echo(f"{file}: {renderer.name} revision {stored.revision} is kept, and no row follows yet")


@app.command(name="rights")
def print_rights(
    files: Declarations,
    service_account: ServiceAccount = SYNC_K8S,
    user: User = None,
    name: Annotated[str, typer.Option(help="Of the ClusterRole and of its binding.")] = "rowcast-renderers",
    form: Annotated[
        RightsForm, typer.Option("--format", help="For kubectl and Kustomize, or for the chart's `renderersRights`.")
    ] = RightsForm.MANIFESTS,
    plural: Annotated[
        list[str] | None,
        typer.Option(metavar="GROUP/KIND=RESOURCE", help="The resource's name of a kind that forms it in its own way."),
    ] = None,
) -> None:
    """Print what sync-k8s has to be allowed for declarations' kinds: a ClusterRole and its binding, for kubectl.

    It follows from `allow` of all files together; who may make bindings may bind any role. Needs no database. Exit
    codes: 0 done, 1 problems, 2 wrong options.
    """
    with told():
        namespace, account = _service_account(service_account)
        subject = {"kind": "ServiceAccount", "namespace": namespace, "name": account}
        if user is not None:
            subject = {"apiGroup": RBAC, "kind": "User", "name": user}
        plurals = dict(_plural(one) for one in plural or ())
        renderers = []
        for file in declarations(files):
            with problems_of(file):
                renderers.append(read_renderer(read_text(file)))
        wanted = rules(renderers, plurals)
        if form is RightsForm.VALUES:
            typer.echo(yaml.safe_dump({"renderersRights": {"rules": wanted}}, sort_keys=False), nl=False)
        else:
            typer.echo(yaml.safe_dump_all(manifests(name, wanted, subject), sort_keys=False), nl=False)


def _service_account(given: str) -> tuple[str, str]:
    namespace, slash, name = given.partition("/")
    if not (namespace and slash and name):
        raise UsageError("--service-account must be NAMESPACE/NAME")
    return namespace, name


def _account(service_account: str, user: str | None) -> Account:
    return Account(user) if user is not None else Account.of_service(*_service_account(service_account))


def _plural(given: str) -> tuple[str, str]:
    kind, equals, name = given.partition("=")
    if not (kind and equals and name):
        raise UsageError(f"--plural {given}: not of the form GROUP/KIND=RESOURCE")
    return kind, name


def _saved_kinds(file: Path, schemas: Path | None) -> Kinds | None:
    folder = schemas or file.with_name(_SCHEMAS)
    if schemas is None and not folder.is_dir():
        return None
    found = []
    for each in sorted(folder.glob("*.json")):
        try:
            found.append(read_schema(read_text(each)))
        except ValueError as error:
            raise UsageError(f"{each}: {error}") from None
    if not found:
        raise UsageError(f"{folder}: there are no schemas (renderer schemas saves them)")
    return Kinds(found, str(folder))


def _cluster_kinds(declaration: str, kubeconfig: Path | None) -> Kinds:
    return Kinds(_ask_cluster(declaration, kubeconfig), "the cluster")


def _ask_cluster(declaration: str, kubeconfig: Path | None) -> Iterator[KindSchema]:
    # The client takes half a second to import, and only these two commands need it.
    from rowcast.crd.apply import ApiServer
    from rowcast.crd.openapi import documents

    kinds = read_kinds(declaration)
    usual = Path.home() / ".kube" / "config"
    place = kubeconfig or (usual if usual.exists() else None)
    for document in documents(ApiServer(str(place) if place else None), kinds):
        yield from schemas_of(document, kinds)


def _judge_capture(declaration: str, renderer: Renderer, database_url: str) -> None:
    """Raises ProblemsError for what the triggers of the table have noted."""
    with reading(database_url) as connection:
        fault = noted_fault(connection, renderer.name)
    if fault is not None:
        where = ("spec", "source", "table")
        raise ProblemsError([read(declaration).problem(where, f"{fault} (apply it again once that is mended)")])


def required(database_url: str | None) -> str:
    """The URL. Raises UsageError if there is none."""
    if not database_url:
        raise UsageError("needs --database-url or ROWCAST_DATABASE_URL")
    return database_url


def _write(text: str, output: Path | None, force: bool) -> None:
    if output is None:
        typer.echo(text, nl=False)
        return
    try:
        with output.open("w" if force else "x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise SourceError(f"{output} is there already; --force overwrites it") from None
    except OSError as error:
        raise UsageError(f"{output}: {error.strerror}") from None


def _row(file: Path | None) -> dict[str, Any]:
    text = sys.stdin.read() if str(file) == "-" else read_text(Path(str(file)))
    try:
        content = json.loads(text)
    except ValueError as error:
        raise SourceError(f"{file}: is no JSON: {error}") from None
    if not isinstance(content, dict):
        raise SourceError(f"{file}: must be an object: columns and their values")
    return content


def _tables(file: Path, columns: Path | None, database_url: str | None) -> AbstractContextManager[Tables]:
    return tables_of(file, columns, database_url, known_tables)


def _render(renderer: Renderer, shape: RowShape, row: dict[str, Any]) -> str:
    check_row(shape, row)
    return as_yaml(render(renderer, Language(shape), row))
