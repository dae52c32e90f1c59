"""The lines of the table: what is measured, in which unit, and what zkrs must reach."""

from dataclasses import dataclass, field
from statistics import median


@dataclass(frozen=True)
class Target:
    """A bound on zkrs's value: against Apache's, against another line of the same server, or absolute."""

    kind: str  # "ratio", "redis", "quiet" or "absolute"
    at_least: bool
    bound: float
    text: str

    def is_met(self, zkrs, reference):
        """None when there is nothing to judge by."""
        if zkrs is None or (self.kind != "absolute" and not reference):
            return None
        value = zkrs if self.kind == "absolute" else zkrs / reference
        return value >= self.bound if self.at_least else value <= self.bound


def times_apache(bound):
    return Target("ratio", True, bound, f"at least {bound:g}x Apache")


def part_of_apache(bound, text=None):
    return Target("ratio", False, bound, text or f"at most {bound:g}x Apache")


def absolute(bound, text):
    return Target("absolute", False, bound, text)


@dataclass(frozen=True)
class Line:
    """One line of the table. `row` is the selectable row that measures it."""

    key: str
    row: str
    title: str
    unit: str
    target: Target | None


LINES = [
    Line("get.ops", "get", "get 1 KiB, 50 x 16", "ops/s", times_apache(5)),
    Line("get.cpu", "get", "get 1 KiB, 50 x 16: server CPU", "us/op", part_of_apache(1 / 6, "at most 1/6 of Apache")),
    Line("get.redis", "get", "get 1 KiB, 50 x 16, beside redis GET", "ops/s", Target("redis", True, 0.5, "at least 0.5x redis")),
    Line("get1.p50", "get1", "get 1 KiB, one at a time: p50", "us", part_of_apache(0.5)),
    Line("set.ops", "set", "set 100 B, 50 x 16", "ops/s", times_apache(3)),
    Line("set.cpu", "set", "set 100 B, 50 x 16: server CPU", "us/op", part_of_apache(1 / 4, "at most 1/4 of Apache")),
    Line("set1.p50", "set1", "set 100 B, one at a time: p50", "us", part_of_apache(0.55)),
    Line("create.ops", "create", "create 100 B, 50 x 16", "ops/s", times_apache(3)),
    Line("multi.ops", "multi", "multi of 10 sets, 50 x 1", "multis/s", times_apache(3)),
    Line("mixed.ops", "mixed", "mixed 90% read, 50 x 16", "ops/s", times_apache(4)),
    Line(
        "snapshot.p999",
        "snapshot",
        "p99.9 of writes during a snapshot of {znodes} znodes",
        "us",
        Target("quiet", False, 1.5, "at most 1.5x of quiet"),
    ),
    Line("snapshot.quiet", "snapshot", "p99.9 of writes when quiet", "us", None),
    Line("rss.bytes", "rss", "memory with {znodes} znodes of 100 B", "MB", absolute(210, "at most 210 MB")),
    Line("start.ms", "start", "start to first answer, empty", "ms", absolute(25, "at most 25 ms")),
    Line("start.rss", "start", "memory, empty", "MB", absolute(10, "at most 10 MB")),
    Line("restart.ms", "restart", "restart with {znodes} znodes of 100 B", "ms", part_of_apache(0.25)),
    Line("idle.bytes", "idle", "memory of an idle session", "bytes", absolute(3000, "at most 3 kB")),
    Line("sessions.ops", "sessions", "sessions opened and closed, 20 at once", "per s", times_apache(4)),
    Line("watch.oneshot", "watch", "1,000 watchers, one-shot: notifications", "per s", times_apache(4)),
    Line("watch.persistent", "watch", "1,000 watchers, persistent: notifications", "per s", times_apache(4)),
]

ROWS = list(dict.fromkeys(line.row for line in LINES))


def bound_on_ratio(target, apache):
    if target is None or not apache or target.kind in ("redis", "quiet"):
        return None
    return target.bound / apache if target.kind == "absolute" else target.bound


@dataclass
class Results:
    """All values by line and server, a value for each round."""

    values: dict = field(default_factory=dict)
    notes: list = field(default_factory=list)
    failures: list = field(default_factory=list)

    def add(self, key, server, value):
        self.values.setdefault(key, {}).setdefault(server, []).append(value)

    def median(self, key, server):
        values = self.values.get(key, {}).get(server)
        return median(values) if values else None

    def note(self, text):
        if text not in self.notes:
            self.notes.append(text)

    def judged(self, line):
        """The line with its medians: a dictionary for the table, the JSON and the plot."""
        zkrs, apache = self.median(line.key, "zkrs"), self.median(line.key, "apache")
        reference = {
            "redis": self.median(line.key, "redis"),
            "quiet": self.median("snapshot.quiet", "zkrs"),
        }.get(line.target.kind if line.target else "", apache)
        return {
            "key": line.key,
            "title": line.title,
            "unit": line.unit,
            "apache": apache,
            "zkrs": zkrs,
            "redis": self.median(line.key, "redis"),
            "ratio": zkrs / apache if zkrs is not None and apache else None,
            "ratio_to_reference": zkrs / reference if zkrs is not None and reference else None,
            "target": line.target.text if line.target else "",
            # The bound on zkrs / Apache, if that is what the target is about or comes to.
            "bound": bound_on_ratio(line.target, apache),
            "met": line.target.is_met(zkrs, reference) if line.target else None,
            "rounds": self.values.get(line.key, {}),
        }
