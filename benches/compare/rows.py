"""How each row of the table is measured. Rounds alternate between the servers, so that a machine that grows slower
or faster meanwhile does so for all of them."""

import json
import statistics
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import snapshots
from subjects import Apache, Failed, Redis, Zkrs, missing_redis

GENERATOR_TIMEOUT_S = 900
REDIS_KEYS = 1000

# row: (generator options, line of throughput, line of server CPU per operation, line of the median latency)
LOADS = {
    "get": (["--op", "get", "--size", "1024"], "get.ops", "get.cpu", None),
    "get1": (["--op", "get", "--size", "1024", "--connections", "1", "--depth", "1"], None, None, "get1.p50"),
    "set": (["--op", "set", "--size", "100"], "set.ops", "set.cpu", None),
    "set1": (["--op", "set", "--size", "100", "--connections", "1", "--depth", "1"], None, None, "set1.p50"),
    "create": (["--op", "create", "--size", "100"], "create.ops", None, None),
    "multi": (["--op", "multi", "--multi", "10", "--size", "100", "--depth", "1"], "multi.ops", None, None),
    "mixed": (["--op", "mixed", "--mix", "0.9", "--size", "1024"], "mixed.ops", None, None),
    "sessions": (["--op", "sessions", "--connections", "20"], "sessions.ops", None, None),
    "watch": (["--op", "watch", "--connections", "1000", "--size", "100", "--depth", "1"], "watch.oneshot", None, None),
}
PERSISTENT = [*LOADS["watch"][0], "--watch", "persistent"]


@dataclass
class Bench:
    """What all rows share."""

    servers: list
    generator: list
    directory: Path
    rounds: int
    seconds: float
    warmup_seconds: float
    znodes: int
    idle_sessions: int
    write_rate: int
    snapshot_seconds: float
    snap_count: int
    results: object
    say: object

    def fresh(self, name, settings=None):
        return {"apache": Apache, "zkrs": Zkrs}[name](self.directory, settings)

    def generate(self, subject, options, seconds=None, warmup=0.5):
        """One run of the generator; its JSON object. A run with errors fails the row."""
        command = [*self.generator, "--server", subject.address, "--server-pid", str(subject.pid), "--json"]
        command += ["--seconds", str(seconds or self.seconds), "--warmup", str(warmup), *options]
        done = subprocess.run(command, capture_output=True, text=True, timeout=GENERATOR_TIMEOUT_S)
        if done.returncode != 0:
            said = (done.stderr.strip() + " " + done.stdout.strip()).strip()
            raise Failed(f"{' '.join(options)} on {subject.name}: exit code {done.returncode}: {said[-2000:]}")
        return json.loads(done.stdout) if done.stdout.strip() else None


def measure_loads(bench, rows):
    """All rows of plain load, on one process of each server that lives through them."""
    subjects = [bench.fresh(name) for name in bench.servers]
    redis = None
    try:
        if "get" in rows or "get1" in rows:
            redis = start_redis(bench)
        for subject in subjects:
            subject.start()
        for row in rows:
            with guarded(bench, row):
                measure_load(bench, row, subjects, redis)
    finally:
        for subject in [*subjects, *([redis] if redis else [])]:
            close(bench, subject)


def measure_load(bench, row, subjects, redis):
    options, throughput, cpu, p50 = LOADS[row]
    variants = [(options, throughput)] + ([(PERSISTENT, "watch.persistent")] if row == "watch" else [])
    for subject in subjects:
        bench.say(f"{row}: warming {subject.name} up")
        for variant, _ in variants:
            bench.generate(subject, variant, bench.warmup_seconds, warmup=0)
    for round_number in range(bench.rounds):
        for subject in subjects:
            for variant, line in variants:
                run = bench.generate(subject, variant)
                if line:
                    bench.results.add(line, subject.name, run["per_second"])
                if cpu:
                    bench.results.add(cpu, subject.name, run["server"]["cpu_us_per_op"])
                if row == "get":
                    bench.results.add("get.redis", subject.name, run["per_second"])
                if p50:
                    bench.results.add(p50, subject.name, run["latency_us"]["p50"])
                bench.say(f"{row} {round_number + 1}/{bench.rounds} {subject.name}: {brief(run)}")
        if redis and row in ("get", "get1"):
            measure_redis(bench, row, redis)


def start_redis(bench):
    lacking = missing_redis()
    if lacking:
        bench.results.note(f"SKIPPED: the comparison with redis, because {lacking}")
        return None
    redis = Redis(bench.directory)
    redis.start()
    redis.benchmark("-t", "set", "-d", "1024", "-r", str(REDIS_KEYS), "-n", str(REDIS_KEYS * 20), "-P", "16")
    return redis


def measure_redis(bench, row, redis):
    """GET of as many keys as the generator reads znodes, for about as long."""
    keys = ["-t", "get", "-d", "1024", "-r", str(REDIS_KEYS)]
    if row == "get":
        count = max(20_000, int(400_000 * bench.seconds))
        rate, _ = redis.benchmark(*keys, "-P", "16", "-c", "50", "-n", str(count))["GET"]
        bench.results.add("get.redis", "redis", rate)
        bench.say(f"get redis: {rate:,.0f}/s")
    else:
        count = max(2_000, int(20_000 * bench.seconds))
        _, p50 = redis.benchmark(*keys, "-c", "1", "-n", str(count))["GET"]
        bench.results.add("get1.p50", "redis", p50)
        bench.say(f"get1 redis: p50 {p50:.0f} us")


def measure_start(bench):
    """Empty starts: time to the first answer, and memory half a second later."""
    for round_number in range(bench.rounds):
        for name in bench.servers:
            subject = bench.fresh(name)
            try:
                milliseconds = subject.start()
                time.sleep(0.5)
                rss = subject.rss_bytes() / 1e6
            finally:
                close(bench, subject)
            bench.results.add("start.ms", name, milliseconds)
            bench.results.add("start.rss", name, rss)
            bench.say(f"start {round_number + 1}/{bench.rounds} {name}: {milliseconds:.1f} ms, {rss:.1f} MB")


def measure_idle(bench):
    """Growth of a fresh server's memory by idle sessions; some short sessions first, so that code and pools are there."""
    for round_number in range(bench.rounds):
        for name in bench.servers:
            subject = bench.fresh(name)
            try:
                subject.start()
                bench.generate(subject, ["--op", "sessions", "--connections", "20", "--count", "500"], warmup=0)
                run = bench.generate(subject, ["--op", "idle", "--connections", str(bench.idle_sessions)], 3, 0)
            finally:
                close(bench, subject)
            bench.results.add("idle.bytes", name, run["bytes_per_session"])
            bench.say(f"idle {round_number + 1}/{bench.rounds} {name}: {run['bytes_per_session']:,.0f} bytes a session")


def measure_many(bench, rows):
    """The rows that need a large tree: memory after loading it, restart, writes during its snapshots."""
    loaded = {}
    try:
        rss_rounds = bench.rounds if "rss" in rows else 1
        for round_number in range(rss_rounds):
            for name in bench.servers:
                if name in loaded:
                    close(bench, loaded.pop(name))
                with guarded(bench, "rss"):
                    loaded[name] = load_tree(bench, name, f"rss {round_number + 1}/{rss_rounds}", "rss" in rows)
        if "restart" in rows:
            with guarded(bench, "restart"):
                measure_restarts(bench, loaded)
        if "snapshot" in rows:
            with guarded(bench, "snapshot"):
                measure_snapshots(bench, loaded)
    finally:
        for subject in loaded.values():
            close(bench, subject)


def load_tree(bench, name, label, record):
    subject = bench.fresh(name)
    try:
        subject.start()
        begun = time.monotonic()
        bench.generate(subject, ["--op", "none", "--preload", str(bench.znodes), "--size", "100"])
        seconds = time.monotonic() - begun
        time.sleep(2)
        rss = subject.rss_bytes() / 1e6
    except BaseException:
        close(bench, subject)
        raise
    if record:
        bench.results.add("rss.bytes", name, rss)
    bench.say(f"{label} {name}: {rss:,.0f} MB after creating {bench.znodes:,} znodes in {seconds:.1f} s")
    return subject


def measure_restarts(bench, loaded):
    """SIGTERM, then from exec to the first answered read of one of the znodes."""
    last = bench.znodes - 1
    path = f"/zkrs-bench/preload/{last // 1000:010}/{last:010}".encode()
    for round_number in range(bench.rounds):
        for name, subject in loaded.items():
            subject.stop()
            milliseconds = subject.start(path)
            bench.results.add("restart.ms", name, milliseconds)
            bench.say(f"restart {round_number + 1}/{bench.rounds} {name}: {milliseconds:,.0f} ms")


def measure_snapshots(bench, loaded):
    """Writes at a steady rate below what both can do, on a server that takes a snapshot every few seconds.

    Open loop: latency counts from when a write was due, so that a stall is charged to all that it delayed.
    """
    for subject in loaded.values():
        subject.stop()
        subject.settings["snapCount"] = bench.snap_count
        subject.start()
        bench.say(f"snapshot: warming {subject.name} up")
        bench.generate(subject, ["--op", "set", "--size", "100"], bench.warmup_seconds, warmup=0)
    counts = {name: [] for name in loaded}
    for round_number in range(bench.rounds):
        for name, subject in loaded.items():
            quiet, during, windows = snapshot_round(bench, subject)
            if not windows or not during or not quiet:
                raise Failed(f"{name} took {len(windows)} snapshots in {bench.snapshot_seconds:.0f} s under load")
            busy_us = snapshots.quantile(during, 0.999) / 1000
            quiet_us = snapshots.quantile(quiet, 0.999) / 1000
            lengths = [(end - start) / 1e9 for start, end in windows]
            counts[name] += lengths
            bench.results.add("snapshot.p999", name, busy_us)
            bench.results.add("snapshot.quiet", name, quiet_us)
            bench.say(
                f"snapshot {round_number + 1}/{bench.rounds} {name}: p99.9 {busy_us:,.0f} us in {len(windows)} snapshots"
                f" of {statistics.median(lengths):.2f} s, {quiet_us:,.0f} us quiet"
            )
    for name, lengths in counts.items():
        bench.results.note(
            f"snapshots of {name}: {len(lengths)} seen, each {statistics.median(lengths):.2f} s (median),"
            f" at {bench.write_rate:,} writes/s with snapCount={bench.snap_count}"
        )


def snapshot_round(bench, subject):
    with tempfile.NamedTemporaryFile(dir=bench.directory, suffix=".samples") as file:
        options = ["--op", "set", "--size", "100", "--rate", str(bench.write_rate), "--samples", file.name]
        with snapshots.SnapshotWatch(subject.snapshot_dir) as watch:
            bench.generate(subject, options, bench.snapshot_seconds, warmup=1)
        samples = snapshots.read_samples(file.name)
    windows = watch.windows()
    quiet, during = snapshots.sort_samples(samples, windows)
    return quiet, during, windows


class guarded:
    """A row that fails is reported, and the others still run."""

    def __init__(self, bench, row):
        self.bench, self.row = bench, row

    def __enter__(self):
        return self

    def __exit__(self, _kind, failure, _trace):
        if isinstance(failure, (Failed, subprocess.TimeoutExpired, OSError)):
            self.bench.results.failures.append(f"{self.row}: {failure}")
            self.bench.say(f"FAILED {self.row}: {failure}")
            return True
        return False


def close(bench, subject):
    try:
        subject.close()
    except Failed as failure:
        bench.results.failures.append(str(failure))
        bench.say(f"FAILED: {failure}")


def brief(run):
    latency = run["latency_us"]
    return (
        f"{run['per_second']:,.0f}/s, p50 {latency['p50']:,.0f} us, p99 {latency['p99']:,.0f} us,"
        f" server {run['server']['cpu_us_per_op']:.1f} us CPU per op"
    )
