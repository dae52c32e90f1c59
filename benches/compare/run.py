#!/usr/bin/env python3
"""zkrs side by side with Apache ZooKeeper 3.9.5 (and redis, for reads): one command, one table, one plot.

    benches/compare/run.py                     every row, five rounds: about half an hour
    benches/compare/run.py --quick             small and rough: a few minutes
    benches/compare/run.py --rows get,set1     some rows
    benches/compare/run.py --servers apache    only one server

Builds zkrs (release), gets Apache's jars and redis by tests/install.sh, starts every server on 127.0.0.1 with data
below benches/out, fsync on, loads all with the same generator (`zkrs bench`), alternating rounds, and writes
benches/out/report.md, report.json and report.svg.

Environment: ZKRS_BIN (a built zkrs: nothing is built), ZKRS_BENCH_BIN (another generator).
Exit code: 0 when every row could be measured, 1 when one failed; with --check also 1 when a target is not met.
"""

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

import plot
import report
import rows
import subjects
import targets

ROOT = subjects.ROOT
OUT = ROOT / "benches" / "out"
IDLE_SESSIONS = 10_000
# Sessions at both ends, and room for everything else.
FILES_WANTED = IDLE_SESSIONS + 500


def main(arguments):
    options = parse(arguments)
    subjects.on_sigterm_exit()
    OUT.mkdir(parents=True, exist_ok=True)
    results = targets.Results()
    servers = available_servers(options, results)
    idle_sessions = min(raise_file_limit(), IDLE_SESSIONS) if not options.quick else 2_000
    load_generator = generator()
    busy = os.getloadavg()[0]
    if busy > 0.5:
        results.note(f"the machine was not quiet before the run (load average {busy:.1f}): numbers may be off")
    begun = time.monotonic()
    directory = Path(tempfile.mkdtemp(prefix="run-", dir=options.dir or OUT))
    bench = rows.Bench(
        servers=servers,
        generator=load_generator,
        directory=directory,
        rounds=options.rounds or (1 if options.quick else 5),
        seconds=options.seconds or (1.0 if options.quick else 4.0),
        warmup_seconds=2.0 if options.quick else 6.0,
        znodes=options.znodes or (100_000 if options.quick else 1_000_000),
        idle_sessions=idle_sessions,
        write_rate=options.write_rate,
        snapshot_seconds=15.0 if options.quick else 40.0,
        snap_count=30_000 if options.quick else 60_000,
        results=results,
        say=lambda text: print(f"[{time.monotonic() - begun:6.0f} s] {text}", file=sys.stderr, flush=True),
    )
    if options.quick:
        results.note("a quick run: fewer rounds, smaller trees; not the table's sizes")
    try:
        measure(bench, options.rows)
        about = {
            **subjects.environment_summary(directory),
            "rounds": bench.rounds,
            "seconds_a_round": bench.seconds,
            "znodes": bench.znodes,
            "idle_sessions": bench.idle_sessions,
            "quick": options.quick,
            "load_average_before": busy,
            "fdatasync_p50_us": report.fdatasync_p50_us(directory),
        }
    finally:
        shutil.rmtree(directory, ignore_errors=True)
    return publish(results, about, options)


def measure(bench, selected):
    loads = [row for row in rows.LOADS if row in selected]
    if loads:
        with rows.guarded(bench, "servers"):
            rows.measure_loads(bench, loads)
    for row, measure_row in (("start", rows.measure_start), ("idle", rows.measure_idle)):
        if row in selected:
            with rows.guarded(bench, row):
                measure_row(bench)
    many = [row for row in ("rss", "restart", "snapshot") if row in selected]
    if many:
        rows.measure_many(bench, many)


def publish(results, about, options):
    judged = [results.judged(line) for line in targets.LINES if line.row in options.rows]
    for line in judged:
        line["title"] = line["title"].format(znodes=f"{about['znodes']:,}")
    table = report.table(judged)
    (OUT / "report.json").write_text(
        json.dumps(
            {"about": about, "lines": judged, "notes": results.notes, "failures": results.failures}, indent=1
        )
        + "\n"
    )
    drawn = plot.ratios_svg(judged)
    if drawn:
        (OUT / "report.svg").write_text(drawn)
    else:
        (OUT / "report.svg").unlink(missing_ok=True)
    (OUT / "report.md").write_text(report.page(table, about, results, bool(drawn)))
    print(table)
    for text in results.notes:
        print(text)
    for text in results.failures:
        print(f"FAILED {text}")
    print(f"written: {OUT.relative_to(ROOT)}/report.md, report.json{', report.svg' if drawn else ''}")
    missed = [line["key"] for line in judged if line["met"] is False]
    return 1 if results.failures or (options.check and missed) else 0


def available_servers(options, results):
    """The servers asked for that this machine can have; a missing Apache is a note, a missing zkrs an error."""
    servers = []
    parts = (["apache"] if "apache" in options.servers else []) + (["redis"] if {"get", "get1"} & set(options.rows) else [])
    if parts:
        subprocess.run([ROOT / "tests" / "install.sh", *parts], stdout=sys.stderr, check=False)
    if "apache" in options.servers:
        lacking = subjects.missing_apache()
        if lacking:
            results.note(f"SKIPPED: Apache ZooKeeper 3.9.5, because {lacking}")
        else:
            servers.append("apache")
    if "zkrs" in options.servers:
        subjects.Zkrs.binary = zkrs_binary()
        servers.append("zkrs")
    if not servers:
        sys.exit("no server to measure")
    return servers


def zkrs_binary():
    """ZKRS_BIN, or a release build of this checkout."""
    given = os.environ.get("ZKRS_BIN")
    if given:
        return str(Path(given).absolute())
    subprocess.run(["cargo", "build", "--release", "--bin", "zkrs"], cwd=ROOT, stdout=sys.stderr, check=True)
    target = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
    return str((ROOT / target / "release" / "zkrs").absolute())


def generator():
    binary = os.environ.get("ZKRS_BENCH_BIN") or subjects.Zkrs.binary or zkrs_binary()
    return [str(Path(binary).absolute()), "bench"]


def raise_file_limit():
    """Open files for this process's children, as far as the hard limit goes; how many sessions that allows."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = FILES_WANTED if hard == resource.RLIM_INFINITY else min(hard, FILES_WANTED * 2)
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    return wanted - 500


def parse(arguments):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", default=",".join(targets.ROWS), help=f"some of {','.join(targets.ROWS)}")
    parser.add_argument("--servers", default="apache,zkrs", help="apache, zkrs or both (default)")
    parser.add_argument("--rounds", type=int, help="rounds of every row; medians are reported (5; quick: 1)")
    parser.add_argument("--seconds", type=float, help="length of each load round (4; quick: 1)")
    parser.add_argument("--znodes", type=int, help="size of the large tree (1000000; quick: 100000)")
    parser.add_argument("--write-rate", type=int, default=5000, help="writes per second during snapshots (5000)")
    parser.add_argument("--dir", help="where data directories go (benches/out)")
    parser.add_argument("--quick", action="store_true", help="a few minutes, to see that it runs")
    parser.add_argument("--check", action="store_true", help="exit code 1 when a target is not met")
    options = parser.parse_args(arguments)
    options.rows = options.rows.split(",")
    options.servers = options.servers.split(",")
    for name, known in (("rows", targets.ROWS), ("servers", ["apache", "zkrs"])):
        unknown = set(getattr(options, name)) - set(known)
        if unknown:
            parser.error(f"--{name}: no such {', '.join(sorted(unknown))}; there are {', '.join(known)}")
    return options


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
