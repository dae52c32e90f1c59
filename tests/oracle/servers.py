#!/usr/bin/env python3
"""Starts and stops single servers for tests: Apache ZooKeeper 3.9.5 (the oracle) or zkrs, on 127.0.0.1.

A library (`with Server("apache") as server: ...`) and a program:

    servers.py run --server apache|zkrs [--set KEY=VALUE]... [--keep] -- COMMAND...
        COMMAND runs with ZK_HOSTS, ZK_PORT, ZK_SERVER, ZK_DIR and ZK_DATA_DIR in its environment
    servers.py start --server apache|zkrs --dir DIR [--set KEY=VALUE]...     prints host:port; stays up
    servers.py stop --dir DIR

Environment: ZKRS_BIN (default target/release/zkrs), APACHE_HEAP (default -Xmx256m), JAVA (default: java on PATH).
Exit code of `run`: the command's; 97 when Apache cannot be had on this machine (SKIPPED is printed); 98 when
the server would not start or did not end cleanly, and when there is no zkrs.

It knows nothing of any client; it decides that a server serves by asking it `srvr`.
"""

import argparse
import ctypes
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

TESTS = Path(__file__).resolve().parent.parent
ROOT = TESTS.parent
CACHE = TESTS / ".cache"
KINDS = ("apache", "zkrs")
START_DEADLINE_S = 60
STOP_DEADLINE_S = 30
START_ATTEMPTS = 3
EXIT_SKIPPED = 97
EXIT_BAD_SERVER = 98


class Skipped(Exception):
    """The foreign program asked for cannot be had on this machine; the text says why."""


class ServerFailed(Exception):
    """The server did not start, died, or did not end cleanly; the text holds the end of its log."""


class Server:
    """One server of a kind, in a directory of its own, on a free port.

    `config` holds zoo.cfg keys and wins over the defaults; a key whose value is None is left out. The
    directory is removed by `close()` unless it was given or `keep` is set. A server that was stopped can be
    started again, on the same port and data.
    """

    def __init__(self, kind, config=None, directory=None, keep=False, jvm_options=()):
        if kind not in KINDS:
            raise ValueError(f"server kind {kind!r}: it must be one of {', '.join(KINDS)}")
        self.kind = kind
        self.keep = keep or directory is not None
        self.directory = Path(directory or tempfile.mkdtemp(prefix=f"zk-{kind}-"))
        self.directory.mkdir(parents=True, exist_ok=True)
        self.config_path = self.directory / "zoo.cfg"
        self.log_path = self.directory / "server.log"
        self.data_dir = self.directory / "data"
        self.config = dict(config or {})
        self.jvm_options = tuple(jvm_options)
        self.process = None
        self.port = int(self.config["clientPort"]) if "clientPort" in self.config else None

    def __enter__(self):
        try:
            return self.start()
        except BaseException:
            self.close()
            raise

    def __exit__(self, *_):
        self.close()

    @property
    def hosts(self):
        return f"127.0.0.1:{self.port}"

    def start(self, detached=False):
        """Starts the process and returns once it answers `srvr`. Another process may take the port first: then again."""
        fixed_port = self.port
        for attempt in range(START_ATTEMPTS):
            self.port = fixed_port or free_port()
            self._write_config()
            self._spawn(detached)
            try:
                self.wait_until_serving()
                return self
            except ServerFailed:
                self.kill()
                taken = "Address already in use" in self.log_tail()
                if fixed_port or not taken or attempt == START_ATTEMPTS - 1:
                    raise
        raise AssertionError("unreachable")

    def stop(self):
        """SIGTERM; returns the exit code. zkrs must end with 0, a JVM ends with 143."""
        if self.process is None:
            return None
        self.process.terminate()
        try:
            code = self.process.wait(STOP_DEADLINE_S)
        except subprocess.TimeoutExpired:
            self.kill()
            raise ServerFailed(f"{self.kind} ignored SIGTERM for {STOP_DEADLINE_S} s:\n{self.log_tail()}") from None
        self.process = None
        if self.kind == "zkrs" and code != 0:
            raise ServerFailed(f"zkrs ended with {code} on SIGTERM, not 0:\n{self.log_tail()}")
        return code

    def kill(self):
        """SIGKILL, as a crash would; the data stays."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def close(self):
        try:
            self.stop()
        finally:
            if not self.keep:
                shutil.rmtree(self.directory, ignore_errors=True)

    def four_letter(self, word, timeout_s=5):
        return four_letter(self.port, word, timeout_s)

    def wait_until_serving(self, deadline_s=START_DEADLINE_S):
        deadline = time.monotonic() + deadline_s
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                raise ServerFailed(f"{self.kind} ended with {self.process.returncode} at start:\n{self.log_tail()}")
            if is_serving(self.port):
                return
            time.sleep(0.02)
        raise ServerFailed(f"{self.kind} did not answer srvr within {deadline_s} s:\n{self.log_tail()}")

    def log_tail(self, lines=40):
        try:
            return "\n".join(self.log_path.read_text(errors="replace").splitlines()[-lines:])
        except FileNotFoundError:
            return "(no log)"

    def _write_config(self):
        config = {
            "tickTime": 2000,
            "dataDir": self.data_dir,
            "clientPort": self.port,
            "clientPortAddress": "127.0.0.1",
            "admin.enableServer": "false",
            "maxClientCnxns": 0,
            "4lw.commands.whitelist": "*",
            **self.config,
        }
        self.data_dir = Path(config["dataDir"])
        self.data_dir.mkdir(parents=True, exist_ok=True)
        self.config_path.write_text("".join(f"{k}={v}\n" for k, v in config.items() if v is not None))

    def _spawn(self, detached):
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(
                self._command(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.directory,
                start_new_session=True,
                preexec_fn=None if detached else die_with_parent(),
            )

    def _command(self):
        if self.kind == "zkrs":
            return [zkrs_binary(), "server", str(self.config_path)]
        return [
            *java_command(),
            os.environ.get("APACHE_HEAP", "-Xmx256m"),
            *self.jvm_options,
            "org.apache.zookeeper.server.quorum.QuorumPeerMain",
            str(self.config_path),
        ]


def zkrs_binary():
    path = Path(os.environ.get("ZKRS_BIN", ROOT / "target" / "release" / "zkrs"))
    if not os.access(path, os.X_OK):
        raise ServerFailed(f"there is no {path}: cargo build --release, or set ZKRS_BIN")
    return str(path.absolute())


def java_command(quiet_client=False, jline=True):
    """java with Apache's jars on the class path; `quiet_client` starts faster and logs nothing (for shells)."""
    java = os.environ.get("JAVA") or shutil.which("java")
    jars = CACHE / "apache"
    if not (jars / "zookeeper-3.9.5.jar").exists():
        reason = CACHE / "apache.skipped"
        raise Skipped(reason.read_text().strip() if reason.exists() else "tests/install.sh apache has not run")
    if not java:
        raise Skipped("Apache ZooKeeper 3.9.5 because there is no java")
    command = [java, "-XX:+UseSerialGC", "-XX:-UsePerfData", "-XX:TieredStopAtLevel=1", "-Xshare:auto"]
    if quiet_client:
        command += ["-Xmx128m", "-Dorg.slf4j.simpleLogger.defaultLogLevel=off"]
    class_path = f"{jars}/*" if jline else ":".join(str(jar) for jar in sorted(jars.glob("*.jar")) if "jline" not in jar.name)
    return command + ["-Dfile.encoding=UTF-8", "-cp", class_path]


def four_letter(port, word, timeout_s=5):
    """The whole answer to a four-letter word; the server closes after it."""
    with socket.create_connection(("127.0.0.1", port), timeout_s) as connection:
        connection.sendall(word.encode())
        answer = b""
        while chunk := connection.recv(65536):
            answer += chunk
    return answer.decode(errors="replace")


def is_serving(port):
    try:
        answer = four_letter(port, "srvr", 2)
    except OSError:
        return False
    return "Mode: " in answer or "not in the whitelist" in answer


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def die_with_parent():
    """A preexec_fn by which a server never outlives a killed test; Linux ties it to the spawning thread, hence the check."""
    if sys.platform != "linux" or threading.current_thread() is not threading.main_thread():
        return None
    prctl = ctypes.CDLL(None).prctl
    return lambda: prctl(1, signal.SIGKILL, 0, 0, 0)


def main(arguments):
    options = parse(arguments)
    # Turned into an exception, SIGTERM runs the clean-up below as SIGINT does.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    try:
        return {"run": run, "start": start, "stop": stop}[options.action](options)
    except Skipped as why:
        print(f"SKIPPED: {options.server} server because {why}", file=sys.stderr)
        return EXIT_SKIPPED
    except ServerFailed as failure:
        print(f"servers.py: {failure}", file=sys.stderr)
        return EXIT_BAD_SERVER


def run(options):
    with Server(options.server, options.set, options.dir, options.keep) as server:
        environment = {
            **os.environ,
            "ZK_SERVER": server.kind,
            "ZK_HOSTS": server.hosts,
            "ZK_PORT": str(server.port),
            "ZK_DIR": str(server.directory),
            "ZK_DATA_DIR": str(server.data_dir),
        }
        return subprocess.call(options.command, env=environment)


def start(options):
    server = Server(options.server, options.set, options.dir or sys.exit("start needs --dir")).start(detached=True)
    (server.directory / "server.pid").write_text(f"{server.process.pid}\n")
    print(server.hosts)
    return 0


def stop(options):
    pid_file = Path(options.dir or sys.exit("stop needs --dir")) / "server.pid"
    pid = int(pid_file.read_text())
    deadline = time.monotonic() + STOP_DEADLINE_S
    try:
        os.kill(pid, signal.SIGTERM)
        while time.monotonic() < deadline:
            os.kill(pid, 0)
            time.sleep(0.02)
        os.kill(pid, signal.SIGKILL)
        print(f"servers.py: {pid} ignored SIGTERM for {STOP_DEADLINE_S} s and was killed", file=sys.stderr)
        return EXIT_BAD_SERVER
    except ProcessLookupError:
        return 0
    finally:
        pid_file.unlink()


def parse(arguments):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("action", choices=("run", "start", "stop"))
    parser.add_argument("--server", choices=KINDS, default="zkrs")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="a line of zoo.cfg")
    parser.add_argument("--dir", help="keep configuration, data and log here; default: a temporary directory")
    parser.add_argument("--keep", action="store_true", help="do not remove the directory")
    cut = arguments.index("--") if "--" in arguments else len(arguments)
    options = parser.parse_args(arguments[:cut])
    options.set = dict(pair.split("=", 1) for pair in options.set)
    options.command = arguments[cut + 1 :]
    if options.action == "run" and not options.command:
        parser.error("run needs a command after --")
    return options


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
