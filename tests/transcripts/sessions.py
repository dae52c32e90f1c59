"""Interactive clients driven one command at a time: a command is sent only when the one before it is over.

`ZkCli` drives Java's ZooKeeperMain with jline: a command is over when the prompt is back and the watch events
the script expects have been printed. `PipedCli` drives what prints no prompt into a pipe, `zkrs shell` and
ZooKeeperMain without jline: every command is followed by an unknown one, whose complaint marks the end. `CliMt`
drives the C client: every command is followed by a `sync` on a path of its own, whose answer the server sends
after everything that the command caused.

A step's result is a list of lines; what is only noise of the drive (prompts, sentinels) is gone, nothing else.
"""

import contextlib
import os
import re
import selectors
import subprocess
import time

STEP_DEADLINE_S = 40
# A missing event is a difference between servers, not the end of the run.
EVENT_DEADLINE_S = 5


class StepFailed(Exception):
    """The client died, or did not finish a command before the deadline."""


class Client:
    """A child process whose stdout and stderr are read side by side."""

    def __init__(self, command, environment):
        self.process = subprocess.Popen(
            command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        self.output = {"out": b"", "err": b""}
        self.selector = selectors.DefaultSelector()
        for name, pipe in (("out", self.process.stdout), ("err", self.process.stderr)):
            os.set_blocking(pipe.fileno(), False)
            self.selector.register(pipe, selectors.EVENT_READ, name)

    def send(self, line):
        try:
            self.process.stdin.write(line.encode() + b"\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            raise StepFailed(f"the client is gone before: {line}") from None

    def read_until(self, is_over, what):
        """Reads both pipes until `is_over()`; then what is left in them, for stderr is written before the prompt."""
        deadline = time.monotonic() + STEP_DEADLINE_S
        while not is_over():
            if not self._read(0.1) and (time.monotonic() > deadline or not self.selector.get_map()):
                got = "\n".join(f"{name}: {text.decode(errors='replace')}" for name, text in self.output.items())
                reason = "closed its output" if not self.selector.get_map() else f"took {STEP_DEADLINE_S} s"
                raise StepFailed(f"{what}: the client {reason}; so far:\n{got}")
        while self._read(0):
            pass

    def read_to_end(self, what):
        """Reads until the process has closed both pipes and ended; returns its exit code."""
        self.read_until(lambda: not self.selector.get_map(), what)
        return self.process.wait(STEP_DEADLINE_S)

    def take(self, name):
        text, self.output[name] = self.output[name].decode(errors="replace"), b""
        return text

    def kill(self):
        self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout, self.process.stderr):
            try:
                pipe.close()
            except BrokenPipeError:
                pass

    def _read(self, timeout_s):
        """True if anything arrived, be it the end of a pipe."""
        ready = self.selector.select(timeout_s) if self.selector.get_map() else []
        for key, _ in ready:
            chunk = key.fileobj.read(1 << 16)
            if chunk:
                self.output[key.data] += chunk
            elif chunk == b"":
                self.selector.unregister(key.fileobj)
        return bool(ready)


class ZkCli(Client):
    PROMPT = re.compile(rb"\[zk: \S+\((\w+)\) (\d+)\] $")
    EVENT = re.compile(rb"\nWATCHER::\n\n(WatchedEvent [^\n]*)\n|\nWATCHER::\n|\n(WatchedEvent [^\n]*)\n")

    def __init__(self, command, environment):
        super().__init__(command, environment)
        self.events = []
        self.prompt = "?"

    def start(self):
        """The banner, up to the first prompt and the event of the connection."""
        return self._result(expected_events=1, what="start")

    def step(self, line, expected_events):
        before = self.prompt
        self.send(line)
        return [f"[{before}]"] + self._result(expected_events, line)

    def wait_for_events(self, count, what):
        """The events another session's command caused here; nothing but events may have been printed."""
        return self._lines(self._events_until(lambda: True, count, what), self.output["out"])

    def last_step(self, line):
        """A command after which the client ends. Whether the event Closed still gets printed is chance, so it is dropped."""
        before = self.prompt
        self.send(line)
        code = self.read_to_end(line)
        self._take_events()
        return [f"[{before}]"] + self._lines([], self.output["out"]) + [f"exit code {code}"]

    @classmethod
    def one_shot(cls, out, err):
        """Whether the events of connecting and closing get printed before the process is gone is chance: they are dropped."""
        out = cls.EVENT.sub(b"", out.encode()).decode()
        return out.splitlines() + [f"2| {line}" for line in err.splitlines()]

    def _result(self, expected_events, what):
        found = self._events_until(lambda: self.PROMPT.search(self.output["out"]), expected_events, what)
        match = self.PROMPT.search(self.output["out"])
        if not match:
            raise StepFailed(f"{what}: output after the prompt: {self.output['out']!r}")
        # The client connects by itself meanwhile, so that CONNECTING is a matter of luck.
        state = match[1].decode().replace("CONNECTING", "CONNECTED")
        # The other thread may learn of it just after the prompt was made.
        if any("state:AuthFailed" in event for event in found):
            state = "AUTH_FAILED"
        self.prompt = f"{state} {match[2].decode()}"
        return self._lines(found, self.output["out"][: match.start()])

    def _events_until(self, is_done, expected_events, what):
        """Reads until `is_done()`, and then until the expected events are there or their deadline has passed."""
        found = []
        done_at = None

        def is_over():
            nonlocal done_at
            found.extend(self._take_events())
            if not is_done():
                return False
            done_at = done_at or time.monotonic()
            return len(found) >= expected_events or time.monotonic() > done_at + EVENT_DEADLINE_S

        self.read_until(is_over, what)
        found.extend(self._take_events())
        return found + ["missing"] * (expected_events - len(found))

    def _take_events(self):
        """Another thread prints them at any moment: they are cut out of the stream, in their order."""
        events = []

        def cut(match):
            event = match[1] or match[2]
            if event:
                events.append(event.decode())
            return b""

        self.output["out"] = self.EVENT.sub(cut, self.output["out"])
        return events

    def _lines(self, events, out):
        self.output["out"] = out
        lines = self.take("out").splitlines()
        lines += [f"2| {line}" for line in self.take("err").splitlines()]
        return lines + [f"event| {event}" for event in events]


class PipedCli(ZkCli):
    def __init__(self, command, environment):
        super().__init__(command, environment)
        self.sentinels = 0
        self.complaint = None

    def start(self):
        self.send("sentinel0")
        done = b"Command not found sentinel0\n"
        found = self._events_until(lambda: self.output["err"].endswith(done), 1, "start")
        # What an unknown command is answered with: the usage, and its name.
        self.complaint = self.take("err")
        return self._lines(found, self.output["out"])

    def step(self, line, expected_events):
        self.sentinels += 1
        sentinel = f"sentinel{self.sentinels}"
        complaint = self.complaint.replace("sentinel0", sentinel).encode()
        self.send(line)
        self.send(sentinel)
        found = self._events_until(lambda: self.output["err"].endswith(complaint), expected_events, line)
        self.output["err"] = self.output["err"].removesuffix(complaint)
        return self._lines(found, self.output["out"])

    def last_step(self, line):
        return super().last_step(line)[1:]


class CliMt(Client):
    def __init__(self, command, environment):
        super().__init__(command, environment)
        self.sentinels = 0

    def start(self):
        self.read_until(lambda: b"Got a new session id" in self.output["err"], "start")
        return self.settle()

    def step(self, line, _expected_events):
        self.send(line)
        return self.settle()

    def settle(self):
        self.sentinels += 1
        path = f"/sentinel{self.sentinels}".encode()
        answer = b"[%s]: rc = 0\n\tname = %s\n" % (path, path)
        self.send(f"sync {path.decode()}")
        self.read_until(lambda: answer in self.output["err"], path.decode())
        self.output["err"] = self.output["err"].replace(answer, b"")
        return self.take("err").splitlines()

    def last_step(self, line):
        """A command after which the client ends. Its stdout, which is no terminal, comes only now."""
        self.send(line)
        # On a failure it stops by itself, but looks whether it should only after each line: so it gets empty ones.
        self.read_until(lambda: not self.selector.get_map() or self._nudge(line), line)
        code = self.process.wait(STEP_DEADLINE_S)
        out = [f"stdout| {text}" for text in self.take("out").splitlines()]
        return self.take("err").splitlines() + out + [f"exit code {code}"]

    @staticmethod
    def one_shot(out, err):
        """The connection comes up beside the command's first words: its two lines go to the front."""
        lines = err.splitlines()
        connection = [line for line in lines if line.startswith(("Watcher SESSION_EVENT", "Got a new session id"))]
        return connection + [line for line in lines if line not in connection] + out.splitlines()

    def _nudge(self, line):
        if line != "quit" and b"Shutting down" in self.output["err"]:
            with contextlib.suppress(StepFailed):
                self.send("")
        return False
