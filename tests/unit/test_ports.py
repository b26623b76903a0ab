"""Ports for servers of tests."""

from __future__ import annotations

import multiprocessing
import socket

from tests.ports import PORTS, free_port


def _some(_: int) -> list[int]:
    return [free_port() for _ in range(20)]


def test_processes_that_start_servers_at_the_same_time_are_given_different_ports() -> None:
    with multiprocessing.get_context("fork").Pool(4) as pool:
        given = pool.map(_some, range(4), chunksize=1)
    ports = [port for each in given for port in each]
    assert len(set(ports)) == len(ports) == 80


def test_a_port_that_a_server_listens_on_is_not_given() -> None:
    """Not even once its reservation has ended: all ports are gone through."""
    taken = free_port()
    with socket.create_server(("127.0.0.1", taken)):
        assert taken not in {free_port() for _ in PORTS}
