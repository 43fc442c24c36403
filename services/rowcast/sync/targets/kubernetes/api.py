"""The few requests that a target makes, over the official client's asyncio variant; its exceptions end here."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import quote

import aiohttp
import orjson
from kubernetes.aio import config

from rowcast.core.errors import PermanentError, RowcastError, TransientError
from rowcast.core.render import MANAGED_BY, MANAGER, Manifest, ResourceType
from rowcast.core.rights import Account
from rowcast.runtime.logging import get_logger
from rowcast.sync.targets.kubernetes.login import Configure, Login
from rowcast.sync.targets.kubernetes.objects import (
    FIELD_MANAGER,
    HOME,
    KIND,
    RETAINED,
    Live,
    as_live,
    changed_paths,
    live_of,
)

REQUEST_SECONDS = 15
QUICK_SECONDS = 2
"""How long a request may take that others wait for; the API server may be asking a webhook that doesn't answer."""
PATIENCE: ContextVar[float] = ContextVar("PATIENCE", default=REQUEST_SECONDS)
"""How long this task's requests may take, in seconds."""
ERROR_CHARACTERS = 2_000
"""Of a longer message the beginning is kept: an admission policy's can have as many as it likes."""
WATCH_SECONDS = 300
PAGE = 500
NEVER = "1"
"""A resource version that no object can have, since etcd's first revision precedes every write. In an apply it means
"only if there is nothing yet": a new object is created, and an existing one is a conflict (seen with 1.36)."""

AGGREGATED = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
"""Discovery of all groups in one answer (Kubernetes 1.30, KEP-3352)."""
_UNAUTHORIZED = 401
_REJECTED = frozenset({400, 413, 415, 422})
_UNPRINTABLE = re.compile("[\x7f-\x9f\u2028\u2029\ud800-\udfff\ufeff\ufffe\uffff]")
_BUSY = frozenset({429, 503})


class ConflictError(TransientError):
    """The object is not as the precondition expects: look again and judge anew."""


class SlowError(TransientError):
    """No answer in time: the API server may be waiting for a webhook, which is this object's trouble."""


class AwayError(TransientError):
    """The API server can't be asked, or is too busy: so it is for every object."""


class ExpiredError(TransientError):
    """The watch's resource version is too old: list again."""


class UnknownKindError(TransientError):
    """The API server has no such kind, or none any more; its definition may be applied later."""


class UnreadableError(TransientError):
    """403 to a read, which no admission plugin sees: RBAC's no, mended without touching what was to be read."""


class ForbiddenError(RowcastError):
    """403 to a write, by RBAC or by an admission plugin; the caller finds out which."""


@dataclass(frozen=True, slots=True)
class Kind:
    """What the API server tells of a kind."""

    plural: str
    namespaced: bool


class Api:
    """A namespace of one API server. At most `in_flight` writes and reads are under way at once.

    Credentials expire and are renewed where they came from: after a 401 everything is read from there again.
    """

    def __init__(self, login: Login, namespace: str, in_flight: int, target: str = KIND) -> None:
        """`target` is the name of whose objects are ours."""
        self._login = login
        self.namespace = namespace
        self._target = target
        self._kinds: dict[ResourceType, Kind] = {}
        self._log = get_logger("rowcast.target")
        self._slots = asyncio.Semaphore(in_flight)
        self._patient_slots = asyncio.Semaphore(max(1, in_flight // 2))

    @classmethod
    async def connect(cls, configure: Configure, namespace: str, in_flight: int, target: str = KIND) -> Api:
        """With what `configure` gives; raises what it raises."""
        return cls(Login(configure, await configure(), in_flight + 8), namespace, in_flight, target)

    async def close(self) -> None:
        """Close the connections."""
        await self._login.close()

    async def apply(self, manifest: Manifest, over: Live | None) -> Live:
        """Server-side apply over the object `over`, or where there is none; raises ConflictError when that isn't so."""
        body = await self._apply(manifest, over)
        live = self.live_of(manifest.type, body)
        if not manifest.type.plural:
            return live
        return replace(live, changed=changed_paths(manifest.body["spec"], body.get("spec")))

    async def kinds_in_use(self) -> list[ResourceType]:
        """The kinds of which there is anything of ours, by asking for one object of each kind that there is.

        Those that we may not list have nothing that we could deliver; they are not tried, which somebody's audit would
        show as refused. Raises TransientError.
        """
        found = await asyncio.gather(*(self._in_use(resource) for resource in await self._discover()))
        return [resource for resource in found if resource is not None]

    async def _in_use(self, resource: ResourceType) -> ResourceType | None:
        query = [("limit", "1"), *self._ours_only(resource)]
        try:
            if not await self.allowed("list", resource):
                return None
            answer = await self._request("GET", await self._path(resource), query=query, missing_ok=True)
        except UnreadableError:
            return None
        except (SlowError, AwayError) as error:
            # One of the API servers behind this one may be away for good: that is no reason to deliver nothing at all.
            self._log.warning("can't tell whether a kind is in use", kind=resource.kind, error=str(error))
            return None
        return resource if answer and answer.get("items") else None

    async def _discover(self) -> list[ResourceType]:
        """Every kind that can be listed and watched, each in the version that its group prefers."""
        core, others = await asyncio.gather(self._discovered("/api"), self._discovered("/apis"))
        found: list[ResourceType] = []
        for resource, kind in (*core, *others):
            self._kinds[resource] = kind
            found.append(resource)
        return found

    async def _discovered(self, root: str) -> list[tuple[ResourceType, Kind]]:
        return listable(await self._request("GET", root, accept=AGGREGATED))

    def live_of(self, resource: ResourceType, body: Mapping[str, Any]) -> Live:
        """An object as the API server returns it."""
        return live_of(resource, body, self.namespace, self._target)

    def place(self, manifest: Manifest) -> str:
        """Where a manifest's object is; the target's own namespace is nobody's to name."""
        namespace = "" if manifest.namespace == self.namespace else manifest.namespace
        return manifest.type.place(manifest.name, namespace)

    async def leave(self, live: Live, row: str) -> None:
        """Leave exactly this version of an object behind: nobody's, but for the row that had it."""
        metadata = {
            "uid": live.uid,
            "resourceVersion": live.resource_version,
            "labels": {MANAGED_BY: None},
            "annotations": {RETAINED: row},
        }
        path = await self._path(live.resource, live.name, live.namespace)
        await self._request(
            "PATCH", path, body={"metadata": metadata}, content_type="application/merge-patch+json", missing_ok=True
        )

    async def _apply(self, manifest: Manifest, over: Live | None, *options: tuple[str, str]) -> Any:
        precondition = (
            {"resourceVersion": NEVER} if over is None else {"resourceVersion": over.resource_version, "uid": over.uid}
        )
        wanted = manifest.body
        if manifest.ignore and over is not None:
            there = await self.read(manifest.type, manifest.name, manifest.namespace)
            if there is None or there["metadata"]["resourceVersion"] != over.resource_version:
                raise ConflictError(f"{over.key} has just changed")
            wanted = as_live(wanted, there, manifest.ignore)
        body = {**wanted, "metadata": {**wanted["metadata"], **precondition}}
        return await self._request(
            "PATCH",
            await self._path(manifest.type, manifest.name, manifest.namespace),
            body=as_yaml(body),
            query=[("fieldManager", FIELD_MANAGER), ("force", "true"), *options],
            # With the exact type the client would encode the body itself, in escapes that are JSON's and not YAML's.
            content_type="application/apply-patch+yaml; charset=utf-8",
        )

    async def try_apply(self, manifest: Manifest, over: Live | None) -> dict[str, Any]:
        """The object as `apply` would leave it: the API server does everything but keep it. Raises as `apply` does."""
        answer: dict[str, Any] = await self._apply(manifest, over, ("dryRun", "All"))
        return answer

    async def read(self, resource: ResourceType, name: str, namespace: str = "") -> dict[str, Any] | None:
        """One object, whole, or None."""
        path = await self._path(resource, name, namespace)
        answer: dict[str, Any] | None = await self._request("GET", path, missing_ok=True)
        return answer

    async def merge(self, resource: ResourceType, name: str, body: object) -> None:
        """Merge a part into an object that is not ours (RFC 7386). Raises TransientError while there is none."""
        path = await self._path(resource, name)
        await self._request("PATCH", path, body=body, content_type="application/merge-patch+json")

    async def delete(self, live: Live) -> Live | None:
        """Delete exactly this version of this object; one that is gone is no error.

        What is left of it, where finalizers keep it; else None.
        """
        preconditions = {"uid": live.uid, "resourceVersion": live.resource_version}
        path = await self._path(live.resource, live.name, live.namespace)
        answer = await self._request("DELETE", path, body={"preconditions": preconditions}, missing_ok=True)
        # Of an object that is gone the answer is a Status.
        left = isinstance(answer, dict) and (answer.get("metadata") or {}).get("deletionTimestamp") is not None
        return self.live_of(live.resource, answer) if left else None

    async def get(self, resource: ResourceType, name: str, namespace: str = "") -> Live | None:
        """One object, or None."""
        answer = await self.read(resource, name, namespace)
        return self.live_of(resource, answer) if answer else None

    async def list_all(
        self, resource: ResourceType, same: Callable[[Live], Live] = lambda live: live
    ) -> tuple[list[Live], str]:
        """All objects of a type, and the resource version to watch from. Of a type that others have, only ours.

        `same` gives the one that is known already of an object, page by page.
        """
        found: list[Live] = []
        path = await self._path(resource)
        query = start = [("limit", str(PAGE)), *self._ours_only(resource)]
        while True:
            answer = await self._request("GET", path, query=query, missing_ok=not resource.plural)
            if answer is None:
                # The kind was taken out of the API server, and its objects with it: it may come back as another.
                self._kinds.pop(resource, None)
                raise UnknownKindError(_no_kind(resource))
            found += [same(self.live_of(resource, item)) for item in answer.get("items") or ()]
            token = answer["metadata"].get("continue")
            if not token:
                return found, answer["metadata"]["resourceVersion"]
            query = [*start, ("continue", token)]

    async def watch(
        self, resource: ResourceType, resource_version: str, name: str | None = None
    ) -> AsyncIterator[tuple[str, dict[str, Any]]]:
        """Changes since a resource version, as (ADDED | MODIFIED | DELETED, object); ends when the server ends it.

        Of all objects, or of the one of that name.
        """
        query = [
            ("watch", "true"),
            ("resourceVersion", resource_version),
            ("timeoutSeconds", str(WATCH_SECONDS)),
            *([("fieldSelector", f"metadata.name={name}")] if name is not None else self._ours_only(resource)),
        ]
        limit = aiohttp.ClientTimeout(total=WATCH_SECONDS + 30, sock_connect=REQUEST_SECONDS)
        async with self._send("GET", await self._path(resource), query=query, limit=limit) as response:
            if response.status != 200:
                raise _error("GET", response.status, await response.read(), response.headers)
            async for line in response.content:
                event = orjson.loads(line)
                if event["type"] == "ERROR":
                    status = event["object"].get("code", 500)
                    raise ExpiredError("watch expired") if status == 410 else _error("GET", status, line, {})
                yield event["type"], event["object"]

    async def allowed(self, verb: str, resource: ResourceType) -> bool:
        """Whether RBAC lets us use a verb here; every authenticated user may ask that about itself."""
        attributes = {
            "namespace": self.namespace,
            "verb": verb,
            "group": resource.group,
            "resource": resource.plural or (await self._kind(resource)).plural,
        }
        if not resource.plural:
            del attributes["namespace"]  # objects of it may be in any
        return await self._review(attributes)

    async def allowed_everywhere(self, verb: str, group: str, resource: str, account: Account | None = None) -> bool:
        """Whether RBAC lets an account, or us, use a verb on a resource in all namespaces.

        Of others only who may review them is told: PermanentError else.
        """
        attributes = {"verb": verb, "group": group, "resource": resource}
        try:
            return await self._review(attributes, account)
        except ForbiddenError as error:
            raise PermanentError("denied", str(error)) from error

    async def called(self) -> Mapping[str, str]:
        """By kind, as `group/Kind` or `Kind`, what its resource is called; of all kinds that there are."""
        return {
            f"{resource.group}/{resource.kind}".removeprefix("/"): self._kinds[resource].plural
            for resource in await self._discover()
        }

    async def _review(self, attributes: Mapping[str, str], account: Account | None = None) -> bool:
        kind, who = "SelfSubjectAccessReview", {}
        if account is not None:
            kind, who = "SubjectAccessReview", {"user": account.user, "groups": list(account.groups)}
        answer = await self._request(
            "POST",
            f"/apis/authorization.k8s.io/v1/{kind.lower()}s",
            body={
                "apiVersion": "authorization.k8s.io/v1",
                "kind": kind,
                "spec": {"resourceAttributes": attributes, **who},
            },
        )
        return bool(answer["status"]["allowed"])

    async def _path(self, resource: ResourceType, name: str | None = None, namespace: str = "") -> str:
        """Of an object; without a name, of all that are looked at: a type that others have is looked at everywhere."""
        kind = Kind(resource.plural, namespaced=True) if resource.plural else await self._kind(resource)
        where = self.namespace if resource.plural else namespace or (self.namespace if name is not None else "")
        parts = [_root(resource)]
        if kind.namespaced and where:
            parts += ["namespaces", quote(where, safe="")]
        return "/".join([*parts, kind.plural, *([] if name is None else [quote(name, safe="")])])

    def _ours_only(self, resource: ResourceType) -> list[tuple[str, str]]:
        return [] if resource.plural else [("labelSelector", f"{MANAGED_BY}={MANAGER},{HOME}={self.namespace}")]

    async def _kind(self, resource: ResourceType) -> Kind:
        """By the API server's discovery; raises TransientError for a kind that isn't there: it may come."""
        known = self._kinds.get(resource)
        if known is not None:
            return known
        answer = await self._request("GET", _root(resource), missing_ok=True) or {}
        for one in answer.get("resources") or ():
            if one.get("kind") == resource.kind and "/" not in one["name"]:
                found = self._kinds[resource] = Kind(one["name"], one["namespaced"])
                return found
        raise UnknownKindError(_no_kind(resource))

    async def _request(
        self,
        method: str,
        path: str,
        *,
        body: object = None,
        query: list[tuple[str, str]] | None = None,
        content_type: str = "application/json",
        accept: str = "application/json",
        missing_ok: bool = False,
    ) -> Any:
        seconds = PATIENCE.get()
        async with self._slot(seconds):
            limit = aiohttp.ClientTimeout(total=seconds)
            sending = self._send(
                method, path, body=body, query=query, content_type=content_type, accept=accept, limit=limit
            )
            async with sending as response:
                payload = await response.read()
                if response.status < 300:
                    return orjson.loads(payload)
                if response.status == 404 and missing_ok:
                    return None
                raise _error(method, response.status, payload, response.headers)

    @asynccontextmanager
    async def _slot(self, seconds: float) -> AsyncIterator[None]:
        """A place among the requests in flight. Those that may take their time have half of them, so that no number of
        them keeps the others waiting.
        """
        if seconds <= QUICK_SECONDS:
            async with self._slots:
                yield
        else:
            async with self._patient_slots, self._slots:
                yield

    @asynccontextmanager
    async def _send(
        self,
        method: str,
        path: str,
        *,
        body: object = None,
        query: list[tuple[str, str]] | None = None,
        content_type: str = "application/json",
        accept: str = "application/json",
        limit: aiohttp.ClientTimeout,
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """Send through the official client, which knows the ways to log in, and give its response to be read."""
        try:
            async with self._login.client() as used:
                arguments = await used.param_serialize(
                    method,
                    path,
                    query_params=query or [],
                    header_params={"Accept": accept, "Content-Type": content_type},
                    auth_settings=["BearerToken"],
                )
                method, url, headers, _, _ = arguments
                try:
                    wrapped = await used.call_api(method, url, headers, body, None, _request_timeout=limit)
                except aiohttp.ClientSSLError:
                    await self._login.renew(used)  # the authority may have changed, too
                    raise
                response: aiohttp.ClientResponse = wrapped.response
                async with response:
                    if response.status == _UNAUTHORIZED:
                        await self._login.renew(used)
                        raise AwayError("401: the API server does not accept our credentials")
                    yield response
        except TimeoutError as error:
            raise SlowError(f"the API server has not answered within {limit.total:g} s") from error
        except (aiohttp.ClientError, config.ConfigException, OSError, orjson.JSONDecodeError) as error:
            raise AwayError(f"API server: {str(error) or type(error).__name__}") from error


def _error(method: str, status: int, payload: bytes, headers: Mapping[str, str]) -> RowcastError:
    """Classify an answer. The message is the API server's own."""
    message = _message(payload) or f"API server answered {status}"
    if status == 409:
        return ConflictError(message)
    if status == 410:
        return ExpiredError(message)
    if status == 403:
        return UnreadableError(message) if method == "GET" else ForbiddenError(message)
    if status in _REJECTED:
        return PermanentError("rejected", message)
    kind = AwayError if status in _BUSY else TransientError
    return kind(f"{status}: {message}", retry_after=_seconds(headers.get("Retry-After")))


def _message(payload: bytes) -> str | None:
    try:
        status = orjson.loads(payload)
        return clipped(str(status.get("message") or status["object"]["message"]))
    except (orjson.JSONDecodeError, AttributeError, KeyError, TypeError):
        return None


def listable(answer: Mapping[str, Any]) -> list[tuple[ResourceType, Kind]]:
    """The kinds in an answer of aggregated discovery, each once: in the first version, which its group prefers."""
    found: dict[tuple[str, str], tuple[ResourceType, Kind]] = {}
    for group in answer.get("items") or ():
        name = (group.get("metadata") or {}).get("name") or ""
        for version in group.get("versions") or ():
            for one in version.get("resources") or ():
                kind = (one.get("responseKind") or {}).get("kind")
                if kind and {"list", "watch"} <= set(one.get("verbs") or ()):
                    resource = ResourceType(name, version["version"], "", kind)
                    found.setdefault((name, kind), (resource, Kind(one["resource"], one["scope"] == "Namespaced")))
    return list(found.values())


def _no_kind(resource: ResourceType) -> str:
    return f"the API server has no kind {resource.kind} in {resource.api_version} (yet)"


def _root(resource: ResourceType) -> str:
    return f"/apis/{resource.group}/{resource.version}" if resource.group else f"/api/{resource.version}"


def clipped(text: str) -> str:
    """A message as it is kept."""
    return text if len(text) <= ERROR_CHARACTERS else f"{text[:ERROR_CHARACTERS]}… ({len(text)} characters)"


def as_yaml(body: object) -> bytes:
    """JSON that is YAML too, in UTF-8: whatever YAML doesn't take as it stands is escaped in the way that both have.

    (YAML 1.2.2, section 5.1 and example 5.13. JSON's pairs of surrogates are no YAML.)
    """
    text = json.dumps(body, ensure_ascii=False, separators=(",", ":"))
    return _UNPRINTABLE.sub(lambda match: f"\\u{ord(match[0]):04x}", text).encode()


def _seconds(value: str | None) -> float | None:
    return float(value) if value is not None and value.isdigit() else None
