"""Which writes ran while a snapshot was being taken: watches the snapshot directory beside a load, then sorts the
load's single requests by what they overlapped."""

import bisect
import os
import threading
import time

POLL_S = 0.01
# What the kernel still has to write of a finished snapshot: neither quiet nor a snapshot.
AFTERMATH_S = 2.0


class SnapshotWatch:
    """Notes when each new snapshot file appeared and when it was last written to or renamed, from a thread of its own."""

    def __init__(self, directory):
        self.directory = directory
        self.known = {name for name, _ in self._files()}
        self.seen = {}
        self.stopping = threading.Event()
        self.thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.stopping.set()
        self.thread.join()

    def windows(self):
        """[(start, end)] in Unix nanoseconds, in order, overlapping ones joined."""
        return join(sorted(self.seen.values()))

    def _watch(self):
        before = time.time_ns()
        while not self.stopping.wait(POLL_S):
            for name, modified in self._files():
                if name not in self.known:
                    # It appeared some time after the look before this one; a file renamed at its end is older.
                    start, _ = self.seen.get(name, (min(before, modified), modified))
                    self.seen[name] = (start, max(start, modified))
            before = time.time_ns()

    def _files(self):
        """Snapshot files under any name that says so: servers may write under a temporary one."""
        try:
            with os.scandir(self.directory) as entries:
                found = []
                for entry in entries:
                    if "snapshot" in entry.name:
                        try:
                            status = entry.stat()
                            # A rename into place comes after the last write and its sync, and shows as a change.
                            found.append((entry.name, max(status.st_mtime_ns, status.st_ctime_ns)))
                        except FileNotFoundError:
                            pass
                return found
        except FileNotFoundError:
            return []


def join(windows):
    joined = []
    for start, end in windows:
        if joined and start <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(end, joined[-1][1]))
        else:
            joined.append((start, end))
    return joined


def sort_samples(samples, windows):
    """Splits [(due, latency)] into (quiet, during) latencies in nanoseconds.

    During: the request overlaps a window. Quiet: it does not, and none ended within AFTERMATH_S before it was due.
    """
    starts = [start for start, _ in windows]
    quiet, during = [], []
    for due, latency in samples:
        last = bisect.bisect_right(starts, due + latency) - 1
        if last < 0 or due > windows[last][1] + AFTERMATH_S * 1e9:
            quiet.append(latency)
        elif due <= windows[last][1]:
            during.append(latency)
    return quiet, during


def read_samples(path):
    with open(path) as lines:
        return [tuple(map(int, line.split())) for line in lines]


def quantile(values, share):
    """The smallest value that at least this share of all are not above."""
    ordered = sorted(values)
    if not ordered:
        raise ValueError("no values")
    rank = max(1, -(-round(share * 1_000_000) * len(ordered) // 1_000_000))
    return ordered[min(rank, len(ordered)) - 1]
