"""The servers under comparison: started, asked for their memory, stopped by their own process id, cleaned up.

Apache ZooKeeper runs as its users run it: default JIT and collector, `-Xmx1000m`. (The tests' own launcher
starts it otherwise, for speed of starting.) Data directories are all below one directory, so on one filesystem.
"""

import os
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

import probe

ROOT = Path(__file__).resolve().parent.parent.parent
APACHE_JARS = ROOT / "tests" / ".cache" / "apache"
APACHE_HEAP = "-Xmx1000m"
STOP_DEADLINE_S = 60
START_DEADLINE_S = 120


class Failed(Exception):
    """A server or the generator did not do what a row needs; the text says what."""


class Subject:
    """One server process and its directory. A subject that was stopped starts again on the same data."""

    name = ""

    def __init__(self, parent, settings=None):
        self.directory = Path(parent) / f"{self.name}-{time.monotonic_ns()}"
        self.data_dir = self.directory / "data"
        self.data_dir.mkdir(parents=True)
        self.settings = dict(settings or {})
        self.port = free_port()
        self.process = None

    def command(self):
        raise NotImplementedError

    def prepare(self):
        """Writes what the command needs."""

    @property
    def address(self):
        return f"127.0.0.1:{self.port}"

    @property
    def pid(self):
        return self.process.pid

    def start(self, path=b"/zookeeper"):
        """Starts the process; the milliseconds from before exec to the first answered read of `path`."""
        self.prepare()
        with open(self.directory / "server.log", "ab") as log:
            begun = time.monotonic()
            self.process = subprocess.Popen(
                self.command(), stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self.directory, start_new_session=True
            )
        try:
            answered = self.wait_for_answer(path, begun + START_DEADLINE_S)
        except TimeoutError:
            self.kill()
            raise Failed(f"{self.name} answered no read within {START_DEADLINE_S} s:\n{self.log_tail()}") from None
        return (answered - begun) * 1000

    def wait_for_answer(self, path, deadline):
        return probe.first_read(self.port, path, deadline, self.must_live)

    def must_live(self):
        if self.process.poll() is not None:
            raise Failed(f"{self.name} ended with {self.process.returncode} at start:\n{self.log_tail()}")

    def stop(self):
        if self.process is None:
            return
        self.process.terminate()
        try:
            self.process.wait(STOP_DEADLINE_S)
        except subprocess.TimeoutExpired:
            self.kill()
            raise Failed(f"{self.name} ignored SIGTERM for {STOP_DEADLINE_S} s") from None
        self.process = None

    def kill(self):
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def close(self):
        """Stops for good and removes the directory."""
        try:
            self.stop()
        finally:
            self.kill()
            shutil.rmtree(self.directory, ignore_errors=True)

    def rss_bytes(self):
        for line in Path(f"/proc/{self.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) * 1024
        raise Failed(f"{self.name} has no resident memory: it is gone")

    def log_tail(self, lines=8):
        try:
            return "\n".join((self.directory / "server.log").read_text(errors="replace").splitlines()[-lines:])
        except FileNotFoundError:
            return "(no log)"


class ZooKeeper(Subject):
    """A server of ZooKeeper's protocol with a zoo.cfg."""

    def prepare(self):
        config = {
            "tickTime": 2000,
            "dataDir": self.data_dir,
            "clientPort": self.port,
            "clientPortAddress": "127.0.0.1",
            "admin.enableServer": "false",
            "maxClientCnxns": 0,
            **self.settings,
        }
        text = "".join(f"{key}={value}\n" for key, value in config.items())
        (self.directory / "zoo.cfg").write_text(text)

    @property
    def snapshot_dir(self):
        return self.data_dir / "version-2"


class Apache(ZooKeeper):
    name = "apache"

    def command(self):
        main = "org.apache.zookeeper.server.quorum.QuorumPeerMain"
        # Its default log is a line per session event on stderr; Apache's own configuration logs to a file as well.
        return ["java", APACHE_HEAP, "-cp", f"{APACHE_JARS}/*", main, str(self.directory / "zoo.cfg")]


class Zkrs(ZooKeeper):
    name = "zkrs"
    binary = ""

    def command(self):
        return [self.binary, "server", str(self.directory / "zoo.cfg")]


class Redis(Subject):
    """The limit of a memory server, for reads."""

    name = "redis"

    def command(self):
        return ["redis-server", "--bind", "127.0.0.1", "--port", str(self.port), "--save", "", "--appendonly", "no"]

    def wait_for_answer(self, path, deadline):
        while time.monotonic() < deadline:
            self.must_live()
            try:
                with socket.create_connection(("127.0.0.1", self.port), 1) as connection:
                    connection.sendall(b"PING\r\n")
                    if connection.recv(64).startswith(b"+PONG"):
                        return time.monotonic()
            except OSError:
                pass
            time.sleep(0.001)
        raise TimeoutError

    def benchmark(self, *options):
        """Runs redis-benchmark; {operation: (per second, p50 in microseconds)}."""
        command = ["redis-benchmark", "-h", "127.0.0.1", "-p", str(self.port), "--csv", *options]
        done = subprocess.run(command, capture_output=True, text=True, timeout=300)
        if done.returncode != 0:
            raise Failed(f"{' '.join(command)}: {done.stderr.strip()}")
        return parse_redis_csv(done.stdout)


def parse_redis_csv(text):
    lines = [line.replace('"', "").split(",") for line in text.splitlines() if line.startswith('"')]
    header = lines[0]
    rate, p50 = header.index("rps"), header.index("p50_latency_ms")
    return {line[0]: (float(line[rate]), float(line[p50]) * 1000) for line in lines[1:]}


def missing_redis():
    """Why redis cannot be compared with, or None."""
    lacking = [name for name in ("redis-server", "redis-benchmark") if shutil.which(name) is None]
    return f"{', '.join(lacking)} not installed (tests/install.sh redis)" if lacking else None


def missing_apache():
    """Why Apache cannot be compared with, or None."""
    if not (APACHE_JARS / "zookeeper-3.9.5.jar").exists():
        return f"no jars in {APACHE_JARS.relative_to(ROOT)} (tests/install.sh apache)"
    return None if shutil.which("java") else "there is no java"


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def on_sigterm_exit():
    """SIGTERM runs the clean-up as Ctrl-C does."""

    def leave(*_):
        raise SystemExit(128 + signal.SIGTERM)

    signal.signal(signal.SIGTERM, leave)


def environment_summary(directory):
    """The machine and the peers, for the report."""
    cpu = next(
        (line.split(":", 1)[1].strip() for line in _lines("/proc/cpuinfo") if line.startswith("model name")), "unknown CPU"
    )
    memory = next((line.split()[1] for line in _lines("/proc/meminfo") if line.startswith("MemTotal:")), "0")
    return {
        "cpu": cpu,
        "cores": os.cpu_count(),
        "memory_gb": round(int(memory) / 1e6, 1),
        "kernel": os.uname().release,
        "filesystem": _first_line(["stat", "-f", "-c", "%T", str(directory)]),
        "java": _first_line(["java", "-version"]),
        "redis": _first_line(["redis-server", "--version"]),
    }


def _lines(path):
    try:
        return Path(path).read_text().splitlines()
    except OSError:
        return []


def _first_line(command):
    try:
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60)
    except (OSError, subprocess.TimeoutExpired):
        return "not there"
    return (done.stdout.splitlines() or [""])[0]
