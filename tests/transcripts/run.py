#!/usr/bin/env python3
"""Runs a scripted session of a foreign client against a server and compares the transcripts of two servers.

    run.py                both scripts, on Apache and on zkrs: the transcripts must be equal
    run.py golden         both scripts on zkrs, compared with the committed golden/ (needs no Java for cli_mt)
    run.py apache         both scripts on Apache, twice: equal to each other and to golden/
    run.py shell          the zkcli script by Java's zkCli and by `zkrs shell`, both on the same kind of server
    run.py update         rewrites golden/ from Apache

Options: --script zkcli|cli_mt (default both); --server apache|zkrs for `shell` (default: apache, else zkrs);
--stderr compares stderr in `shell` too; --keep DIR writes every transcript there.

Exit code 0: every comparison made was equal. 1: a difference, a client that did not behave, or no zkrs. What
cannot be had on this machine prints SKIPPED and counts as neither: the last line tells how many of each.

Script lines: `# comment`; `set KEY=VALUE` (zoo.cfg); `open A [flags]`; `A: command`; `A !A1,B2: command`, which
expects one watch event at A and two at B; `A ends: command`, after which A's client is gone; `run: arguments`,
the client started for one command. HOST and PORT stand for the server's.
"""

import argparse
import difflib
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "oracle"))

from normalise import normalise  # noqa: E402
from servers import Server, ServerFailed, Skipped, java_command, zkrs_binary  # noqa: E402
from sessions import CliMt, PipedCli, StepFailed, ZkCli  # noqa: E402

STEP = re.compile(r"(?P<name>[A-Z])(?: !(?P<events>[A-Z]\d+(?:,[A-Z]\d+)*)| (?P<ends>ends))?: ?(?P<line>.*)")
ENVIRONMENT = {**os.environ, "TZ": "UTC", "LC_ALL": "C", "TERM": "dumb"}
RUN_DEADLINE_S = 60
# Where `zkrs shell` deliberately says something else than zkCli; matched against a step's heading.
SHELL_DIFFERS = HERE / "shell-differs.txt"


class JavaZkCli:
    name, script, session = "zkcli", "zkcli.script", ZkCli

    def command(self, host, flags):
        return [
            *java_command(quiet_client=True),
            "-Dorg.jline.terminal.dumb=true",  # else a warning on stderr, with the time in it
            "org.apache.zookeeper.ZooKeeperMain",
            "-server",
            host,
            *flags,
        ]


class JavaPipedZkCli(JavaZkCli):
    """zkCli without jline: what it prints when its input is no terminal and its prompt would only be in the way."""

    name, session = "zkcli-piped", PipedCli

    def command(self, host, flags):
        java = java_command(quiet_client=True, jline=False)
        return [*java, "org.apache.zookeeper.ZooKeeperMain", "-server", host, *flags]


class ZkrsShell(JavaZkCli):
    name, session = "zkrs-shell", PipedCli

    def command(self, host, flags):
        return [zkrs_binary(), "shell", "-server", host, *flags]


class DebianCliMt:
    name, script, session = "cli_mt", "cli_mt.script", CliMt

    def command(self, host, flags):
        for path in ("/usr/lib/zookeeper/bin/cli_mt", "/usr/bin/cli_mt"):
            if os.access(path, os.X_OK):
                return [path, "-h", host, *flags]
        raise Skipped("the C client cli_mt is not installed: tests/install.sh cli")


def record(client, server_kind, keep=None, tag=""):
    """The normalised transcript, as a list of (heading, lines), of the client's script on a fresh server."""
    lines = (HERE / client.script).read_text().splitlines()
    config = dict(line[4:].split("=", 1) for line in lines if line.startswith("set "))
    client.command("", [])  # raises Skipped before a server is started
    with Server(server_kind, config) as server:
        host, steps, sessions = server.hosts, [], {}
        try:
            for number, line in enumerate(lines, 1):
                line = line.replace("HOST", host).replace("PORT", str(server.port))
                try:
                    steps += do_line(client, line, host, sessions)
                except StepFailed as failure:
                    raise StepFailed(f"{client.script}:{number}: {client.name} on {server_kind}: {failure}\n"
                                     f"--- the server's log:\n{server.log_tail(15)}") from None
        finally:
            for session in sessions.values():
                session.kill()
    transcript = normalise([(heading.replace(host, "HOST"), output) for heading, output in steps], host)
    if keep:
        (Path(keep) / f"{client.name}-on-{server_kind}{tag}.txt").write_text(text(transcript))
    return transcript


def do_line(client, line, host, sessions):
    """One line of a script; returns the steps it adds to the transcript (none or one)."""
    if not line.strip() or line.startswith(("#", "set ")):
        return []
    if line.startswith("open "):
        name, *flags = line[5:].split()
        sessions[name] = client.session(client.command(host, flags), ENVIRONMENT)
        return [(line, sessions[name].start())]
    if line.startswith("run:"):
        done = subprocess.run(
            client.command(host, shlex.split(line[4:])),
            env=ENVIRONMENT, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=RUN_DEADLINE_S,
        )  # fmt: skip
        return [(line, client.session.one_shot(done.stdout, done.stderr) + [f"exit code {done.returncode}"])]
    match = STEP.fullmatch(line)
    if not match or match["name"] not in sessions:
        raise StepFailed(f"not a line of a script: {line}")
    if match["ends"]:
        return [(line, sessions[match["name"]].last_step(match["line"]))]
    wanted = {pair[0]: int(pair[1:]) for pair in (match["events"] or "").split(",") if pair}
    output = sessions[match["name"]].step(match["line"], wanted.pop(match["name"], 0))
    for name in sorted(wanted if issubclass(client.session, ZkCli) else set(sessions) - {match["name"]}):
        session = sessions[name]
        if issubclass(client.session, ZkCli):
            output += [f"{name} {event}" for event in session.wait_for_events(wanted[name], line)]
        elif session.process.poll() is None:
            output += [f"{name} {event}" for event in session.settle()]
    return [(line, output)]


def text(transcript):
    return "".join(f"> {heading}\n" + "".join(f"{line}\n" for line in lines) for heading, lines in transcript)


def compare(left_name, left, right_name, right):
    """True when equal; else prints a diff in which every line's step is named."""
    if left == right:
        print(f"equal: {left_name} and {right_name}: {len(left)} steps, {sum(len(lines) for _, lines in left)} lines")
        return True
    print(f"DIFFERENT: {left_name} and {right_name}")
    differing = [i for i, pair in enumerate(zip(left, right)) if pair[0] != pair[1]]
    for i in differing:
        print(f"--- step {i + 1}: {left[i][0]}")
        sys.stdout.writelines(f"    {line}\n" for line in list(difflib.ndiff(left[i][1], right[i][1])))
    if len(left) != len(right):
        print(f"--- {len(left)} steps against {len(right)}")
    print(f"    {len(differing)} of {len(left)} steps differ (- {left_name}, + {right_name})")
    return False


def golden_path(client):
    return HERE / "golden" / f"{client.name}.txt"


def read_golden(client):
    steps = []
    for line in golden_path(client).read_text().split("\n")[:-1]:
        if line.startswith("> "):
            steps.append((line[2:], []))
        else:
            steps[-1][1].append(line)
    return steps


def without_promised_differences(transcript, with_stderr):
    differs = [re.compile(line.split(" # ")[0].strip()) for line in SHELL_DIFFERS.read_text().splitlines()
               if line.strip() and not line.startswith("#")]
    return [
        (heading, [line for line in lines if with_stderr or not line.startswith("2| ")])
        for heading, lines in transcript
        if not any(pattern.search(heading) for pattern in differs)
    ]


def run_both_servers(clients, options):
    for client in clients:
        yield client.name, lambda: compare(
            f"{client.name} on Apache", record(client, "apache", options.keep),
            "on zkrs", record(client, "zkrs", options.keep))


def run_golden(clients, options):
    for client in clients:
        yield client.name, lambda: compare(
            f"{client.name} on Apache (golden)", read_golden(client),
            "on zkrs", record(client, "zkrs", options.keep))


def run_apache_twice(clients, options):
    for client in clients:
        def both():
            first = record(client, "apache", options.keep, "-1")
            again = record(client, "apache", options.keep, "-2")
            return compare(f"{client.name} on Apache", first, "on Apache again", again) & compare(
                f"{client.name} on Apache (golden)", read_golden(client), "on Apache now", first)
        yield client.name, both


def run_shell(_clients, options):
    def both():
        kind = options.server or "apache"
        zkrs_binary()
        java = without_promised_differences(record(JavaPipedZkCli(), kind, options.keep), options.stderr)
        shell = without_promised_differences(record(ZkrsShell(), kind, options.keep), options.stderr)
        return compare(f"Java's zkCli on {kind}", java, f"zkrs shell on {kind}", shell)
    yield "zkrs shell", both


def update(clients, options):
    for client in clients:
        def write():
            golden_path(client).parent.mkdir(exist_ok=True)
            golden_path(client).write_text(text(record(client, "apache", options.keep)))
            print(f"wrote {golden_path(client).relative_to(HERE)}")
            return True
        yield client.name, write


MODES = {"": run_both_servers, "golden": run_golden, "apache": run_apache_twice, "shell": run_shell, "update": update}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("mode", nargs="?", default="", choices=MODES)
    parser.add_argument("--script", choices=("zkcli", "cli_mt"))
    parser.add_argument("--server", choices=("apache", "zkrs"))
    parser.add_argument("--stderr", action="store_true")
    parser.add_argument("--keep", metavar="DIR")
    options = parser.parse_args()
    if options.keep:
        Path(options.keep).mkdir(parents=True, exist_ok=True)
    clients = [client for client in (JavaZkCli(), DebianCliMt()) if options.script in (None, client.name)]
    equal = different = skipped = 0
    for name, comparison in MODES[options.mode](clients, options):
        try:
            if comparison():
                equal += 1
            else:
                different += 1
        except Skipped as why:
            print(f"SKIPPED: the transcripts of {name} because {why}")
            skipped += 1
        except (StepFailed, ServerFailed) as failure:
            print(f"FAILED: {failure}")
            different += 1
    print(f"transcripts: {equal} equal, {different} different, {skipped} skipped")
    return 1 if different else 0


if __name__ == "__main__":
    sys.exit(main())
