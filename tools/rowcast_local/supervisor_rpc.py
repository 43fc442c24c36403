"""Talks to supervisord over its Unix socket."""

import http.client
import socket
import xmlrpc.client
from pathlib import Path
from typing import Any

ANSWER_SECONDS = 60.0


class _Connection(http.client.HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=ANSWER_SECONDS)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


class _Transport(xmlrpc.client.Transport):
    def __init__(self, path: Path) -> None:
        super().__init__()
        self._path = path

    def make_connection(self, host: Any) -> http.client.HTTPConnection:
        return _Connection(self._path)


def supervisor_at(path: Path) -> Any:
    """Supervisord's methods, as its documentation of the XML-RPC API names them.

    A call raises OSError when nobody listens at `path`, and xmlrpc.client.Fault when supervisord refuses.
    """
    return xmlrpc.client.ServerProxy("http://localhost", transport=_Transport(path)).supervisor
