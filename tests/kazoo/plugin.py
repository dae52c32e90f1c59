"""A pytest plugin around kazoo's own, unmodified suite: `pytest --pyargs kazoo.tests -p plugin`.

It gives every pytest process ports of its own (the harness takes ZOOKEEPER_PORT_OFFSET), marks the tests of
exceptions.txt so that they run but do not count, and writes the closing line to KAZOO_SUMMARY. It changes
nothing in a test.

Environment: KAZOO_SERVER (apache or zkrs), KAZOO_SUMMARY (a file), KAZOO_PORT_BASE (the first port to try).
"""

import logging
import os
import re
import socket
import time
from pathlib import Path

import pytest

EXCEPTIONS = Path(__file__).with_name("exceptions.txt")
# kazoo takes 10 ports a server: 40 leave room for a cluster of three.
PORTS_PER_PROCESS = 40
# Why a test of the suite may be an exception, and against which servers that reason holds.
REASONS = {
    "peers": ("apache", "zkrs"),
    "apache": ("apache", "zkrs"),
    "tls": ("zkrs",),
}

started = time.monotonic()


def pytest_configure(config):
    worker = int(re.sub(r"\D", "", os.environ.get("PYTEST_XDIST_WORKER", "")) or 0)
    base = int(os.environ.get("KAZOO_PORT_BASE", "20000")) + worker * PORTS_PER_PROCESS
    while not all(is_free(port) for port in range(base, base + PORTS_PER_PROCESS)):
        base += 16 * PORTS_PER_PROCESS
        if base > 65000:
            raise pytest.UsageError("no 40 free ports in a row for kazoo's servers")
    os.environ["ZOOKEEPER_PORT_OFFSET"] = str(base)


def pytest_collection_modifyitems(items):
    exceptions = read_exceptions()
    for item in items:
        for name, reason in exceptions.items():
            if f"/{item.nodeid}".endswith(f"/{name}") or f"/{name}::" in f"/{item.nodeid}":
                item.add_marker(pytest.mark.xfail(reason=reason, strict=False))


def pytest_terminal_summary(terminalreporter, config):
    if "KAZOO_SUMMARY" not in os.environ:
        return
    count = {name: len(reports) for name, reports in terminalreporter.stats.items()}
    failed = count.get("failed", 0) + count.get("error", 0)
    lines = [
        f"WARNING: the exception {report.nodeid} passes: take it out of exceptions.txt"
        for report in terminalreporter.stats.get("xpassed", [])
    ]
    lines.append(
        f"kazoo: {count.get('passed', 0)} passed, {failed} failed, {count.get('skipped', 0)} skipped, "
        f"{count.get('xfailed', 0)} excepted, {count.get('xpassed', 0)} excepted but passing "
        f"({os.environ['KAZOO_SERVER']}, {time.monotonic() - started:.0f} s)"
    )
    Path(os.environ["KAZOO_SUMMARY"]).write_text("\n".join(lines) + "\n")


def pytest_unconfigure():
    # Clients of gevent and eventlet tests still log while the servers go down.
    logging.lastResort = None


def read_exceptions():
    """`{test id: reason}` of the exceptions that hold for the server under test."""
    exceptions = {}
    for number, line in enumerate(EXCEPTIONS.read_text().splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        name, _, reason = line.partition(" ")
        kind = reason.strip().partition(":")[0]
        if kind not in REASONS:
            raise pytest.UsageError(f"{EXCEPTIONS}:{number}: the reason must begin with one of {', '.join(REASONS)}")
        if os.environ["KAZOO_SERVER"] in REASONS[kind]:
            exceptions[name] = reason.strip()
    return exceptions


def is_free(port):
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
