#!/usr/bin/env python3
"""Tests of what the comparison computes; starts no server.    python3 benches/compare/test_compare.py"""

import os
import sys
import tempfile
import time
import unittest
import xml.dom.minidom
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

import plot
import report
import rows
import snapshots
import subjects
import targets

LINES = {line.key: line for line in targets.LINES}
SECOND = 1_000_000_000


def results(**values):
    made = targets.Results()
    for key, servers in values.items():
        for server, rounds in servers.items():
            for value in rounds:
                made.add(key.replace("__", "."), server, value)
    return made


class Judging(unittest.TestCase):
    def test_medians_of_the_rounds_decide(self):
        line = results(get__ops={"apache": [10, 80, 90], "zkrs": [1000, 400, 1]}).judged(LINES["get.ops"])
        self.assertEqual((line["apache"], line["zkrs"], line["ratio"]), (80, 400, 5))
        self.assertTrue(line["met"])

    def test_cpu_must_be_a_part_of_apaches(self):
        self.assertTrue(results(get__cpu={"apache": [18.0], "zkrs": [3.0]}).judged(LINES["get.cpu"])["met"])
        self.assertFalse(results(get__cpu={"apache": [18.0], "zkrs": [3.1]}).judged(LINES["get.cpu"])["met"])

    def test_redis_and_quiet_are_other_references_than_apache(self):
        line = results(get__redis={"apache": [80], "zkrs": [400], "redis": [700]}).judged(LINES["get.redis"])
        self.assertTrue(line["met"])
        made = results(snapshot__p999={"apache": [9000], "zkrs": [300]}, snapshot__quiet={"zkrs": [190]})
        self.assertFalse(made.judged(LINES["snapshot.p999"])["met"])

    def test_absolute_bounds_need_no_apache(self):
        self.assertTrue(results(rss__bytes={"zkrs": [209.0]}).judged(LINES["rss.bytes"])["met"])

    def test_without_values_nothing_is_judged(self):
        for line in targets.LINES:
            self.assertIsNone(results().judged(line)["met"])
        self.assertIsNone(results(set__ops={"zkrs": [5]}).judged(LINES["set.ops"])["met"])

    def test_every_load_row_has_its_lines(self):
        for row, (_, *lines) in rows.LOADS.items():
            for key in filter(None, lines):
                self.assertEqual(LINES[key].row, row)


class Snapshots(unittest.TestCase):
    def test_a_request_belongs_to_the_snapshot_it_overlaps(self):
        windows = [(10 * SECOND, 12 * SECOND)]
        before, into, inside, after, long_after = 1, SECOND, 3, 4, 5
        samples = [
            (9 * SECOND, before),
            (9 * SECOND + SECOND // 2, into),
            (11 * SECOND, inside),
            (13 * SECOND, after),
            (15 * SECOND, long_after),
        ]
        quiet, during = snapshots.sort_samples(samples, windows)
        self.assertEqual(quiet, [before, long_after])
        self.assertEqual(during, [into, inside])

    def test_overlapping_windows_are_one(self):
        self.assertEqual(snapshots.join([(1, 5), (4, 6), (8, 9)]), [(1, 6), (8, 9)])

    def test_quantiles_are_values_that_were_measured(self):
        values = list(range(1, 1001))
        self.assertEqual(snapshots.quantile(values, 0.999), 999)
        self.assertEqual(snapshots.quantile(values, 0.5), 500)
        self.assertEqual(snapshots.quantile([7], 0.999), 7)
        with self.assertRaises(ValueError):
            snapshots.quantile([], 0.5)

    def test_only_new_snapshots_are_seen_until_their_last_write(self):
        with tempfile.TemporaryDirectory() as directory:
            Path(directory, "snapshot.1").write_bytes(b"old")
            watch = snapshots.SnapshotWatch(directory)
            Path(directory, "log.2").write_bytes(b"log")
            Path(directory, "snapshot.2").write_bytes(b"new")
            modified = os.stat(Path(directory, "snapshot.2")).st_mtime_ns
            with watch:
                deadline = time.monotonic() + 30
                while not watch.seen and time.monotonic() < deadline:
                    time.sleep(0.001)
            [(start, end)] = watch.windows()
            self.assertLessEqual(start, modified)
            self.assertGreaterEqual(end, modified)


class Output(unittest.TestCase):
    def lines(self):
        made = results(
            get__ops={"apache": [80_000], "zkrs": [480_000]},
            set1__p50={"apache": [200.0], "zkrs": [150.0]},
            start__ms={"apache": [446.0], "zkrs": [9.0]},
        )
        return [made.judged(line) for line in targets.LINES]

    def test_the_table_says_what_is_met_and_what_is_not(self):
        text = report.table(self.lines())
        self.assertRegex(text, r"get 1 KiB, 50 x 16 \(ops/s\) +\| +80,000 \| +480,000 \| +6\.00x \| at least 5x Apache +\| yes")
        self.assertRegex(text, r"set 100 B, one at a time: p50 \(us\) +\| +200 \| +150 \| +0\.75x \| at most 0\.55x Apache +\| NO")
        self.assertEqual(len({len(line) for line in text.splitlines()}), 1)

    def test_the_plot_is_xml_with_a_bar_for_each_comparable_line(self):
        text = plot.ratios_svg(self.lines())
        xml.dom.minidom.parseString(text)
        self.assertEqual((text.count('class="met"'), text.count('class="missed"')), (2, 1))
        self.assertIsNone(plot.ratios_svg([results().judged(LINES["get.ops"])]))

    def test_redis_csv_is_read_by_its_header(self):
        text = '"test","rps","avg_latency_ms","min_latency_ms","p50_latency_ms"\n"GET","29036.00","0.030","0.008","0.031"\n'
        self.assertEqual(subjects.parse_redis_csv(text), {"GET": (29036.0, 31.0)})


if __name__ == "__main__":
    unittest.main()
