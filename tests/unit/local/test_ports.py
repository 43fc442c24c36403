import socket
from itertools import islice
from pathlib import Path

from rowcast_local.ports import DEFAULT_PORTS, HOST, choose_ports, free_ports, is_free, load_ports, settle_ports


def test_no_two_parts_share_a_default_port() -> None:
    assert len(set(DEFAULT_PORTS.values())) == len(DEFAULT_PORTS)


def test_a_port_that_somebody_listens_at_is_not_free() -> None:
    with socket.create_server((HOST, 0)) as server:
        port = server.getsockname()[1]
        assert not is_free(port)
    assert is_free(port)


def test_a_taken_port_is_replaced_and_the_others_are_kept() -> None:
    ports = choose_ports({"a": 8100, "b": 8200}, available=lambda port: port != 8100)
    assert ports["b"] == 8200
    assert ports["a"] not in (8100, 8200)


def test_free_ports_are_all_different() -> None:
    assert len(set(islice(free_ports(), 30))) == 30


def test_ports_chosen_once_are_kept(tmp_path: Path) -> None:
    file = tmp_path / "ports.json"
    first = settle_ports(file, all_free=True)
    assert settle_ports(file, all_free=True) == first == load_ports(file)


def test_a_platform_on_free_ports_takes_no_default_port(tmp_path: Path) -> None:
    ports = settle_ports(tmp_path / "ports.json", all_free=True)
    assert not set(ports.values()) & set(DEFAULT_PORTS.values())


def test_a_file_of_ports_that_lacks_a_part_counts_as_none(tmp_path: Path) -> None:
    file = tmp_path / "ports.json"
    file.write_text('{"crud": 8100}')
    assert load_ports(file) is None
