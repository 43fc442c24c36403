"""Links that can be cut and slowed: a real toxiproxy between parts, and its HTTP interface."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path

import httpx

from processes import running as process_running
from rowcast_local.ports import HOST
from rowcast_local.program import Program
from rowcast_local.provision.tools import tool


def binary() -> Path:
    """The server, built now if it is missing. Raises StepError."""
    return tool("toxiproxy")


class Links:
    """The proxies of one toxiproxy, by name."""

    def __init__(self, url: str) -> None:
        self._http = httpx.Client(base_url=url, timeout=10, trust_env=False)

    def close(self) -> None:
        """Ask no more."""
        self._http.close()

    def answers(self) -> bool:
        """Whether toxiproxy is there."""
        return self._http.get("/version").is_success

    def add(self, name: str, port: int, upstream: int) -> None:
        """A proxy at `port` of the loopback that passes on to `upstream`."""
        proxy = {"name": name, "listen": f"{HOST}:{port}", "upstream": f"{HOST}:{upstream}", "enabled": True}
        self._http.post("/proxies", json=proxy).raise_for_status()

    @contextmanager
    def cut(self, name: str) -> Iterator[None]:
        """Closes every connection and takes no new one."""
        self._http.post(f"/proxies/{name}", json={"enabled": False}).raise_for_status()
        try:
            yield
        finally:
            self._http.post(f"/proxies/{name}", json={"enabled": True}).raise_for_status()

    @contextmanager
    def toxic(self, name: str, kind: str, **attributes: int) -> Iterator[None]:
        """One of toxiproxy's toxics, both ways."""
        streams = ("upstream", "downstream")
        for stream in streams:
            toxic = {"name": f"{kind}-{stream}", "type": kind, "stream": stream, "attributes": attributes}
            self._http.post(f"/proxies/{name}/toxics", json=toxic).raise_for_status()
        try:
            yield
        finally:
            for stream in streams:
                self._http.delete(f"/proxies/{name}/toxics/{kind}-{stream}").raise_for_status()


@contextmanager
def running(binary: Path, port: int, links: Mapping[str, tuple[int, int]], log: Path) -> Iterator[Links]:
    """A toxiproxy whose interface is at `port`; `links` gives each proxy's own port and that behind it."""
    program = Program("toxiproxy", (str(binary), "-host", HOST, "-port", str(port)), {}, log.parent)
    with closing(Links(f"http://{HOST}:{port}")) as made, process_running(program, made.answers, log):
        for name, (own, upstream) in links.items():
            made.add(name, own, upstream)
        yield made
