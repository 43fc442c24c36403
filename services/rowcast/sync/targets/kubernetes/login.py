"""The official client and its credentials: where they come from, and how they are renewed while we run."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from kubernetes.aio import client, config

from rowcast.core.errors import TransientError

Configure = Callable[[], Awaitable[Any]]
"""Reads the official client's configuration from where it is kept. Raises TransientError."""


async def configuration(kubeconfig: str | None, context: str | None = None) -> Any:
    """The client's configuration, from a kubeconfig file or, without one, from the pod's service account.

    `context` is one of the file's; without one, it is its current context.

    Raises TransientError while neither can be read: files are mounted and renewed while we run.
    """
    settings = client.Configuration()
    try:
        if kubeconfig is None:
            config.load_incluster_config(client_configuration=settings)
        else:
            await config.load_kube_config(
                config_file=kubeconfig, context=context, client_configuration=settings, persist_config=False
            )
    except (config.ConfigException, OSError) as error:
        raise TransientError(f"no access to the API server configured: {error}") from error
    return settings


class Login:
    """Gives out clients with the present credentials. A client that was replaced is closed after its last request.

    (Closed before, it would let a watch that reads from it hang for ever, instead of ending it.)
    """

    def __init__(self, configure: Configure, configuration: Any, connections: int) -> None:
        self._configure = configure
        self._connections = connections
        self._client = self._connected(configuration)
        self._users: dict[Any, int] = {}

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()

    @asynccontextmanager
    async def client(self) -> AsyncIterator[Any]:
        """The official client, for one request."""
        used = self._client
        self._users[used] = self._users.get(used, 0) + 1
        try:
            yield used
        finally:
            self._users[used] -= 1
            if not self._users[used]:
                del self._users[used]
                if used is not self._client:
                    await used.close()

    async def renew(self, refused: Any) -> None:
        """Read the credentials again, unless another request has done it since. Raises TransientError."""
        configuration = await self._configure()
        if self._client is refused:
            self._client = self._connected(configuration)

    def _connected(self, configuration: Any) -> Any:
        configuration.connection_pool_maxsize = self._connections
        # Else aiohttp looks for proxies and a netrc file at each request, in a thread; a kubeconfig names its proxy.
        configuration.client_session_kwargs = {"trust_env": False}
        return client.ApiClient(configuration)
