"""Takes out of a transcript what may differ between two runs or two servers, and nothing else.

| what | becomes | why |
| --- | --- | --- |
| the server's host:port | HOST | a free port each run |
| zxids (Stat, events, cli_mt's czxid) | `<zxid R>`, R the rank among all zxids of the transcript | equal zxids stay equal, order stays |
| session ids | `<session N>`, in order of appearance | made from the clock |
| dates after 1970 | `<date>` | clock |
| `time = N msec` of cli_mt | `time = <n> msec` | clock |
| lines of the C library's own log | dropped | thread ids, pointers, clock |
| names listed by cli_mt's ls, ls2 | sorted | the order of getChildren is a hash table's in Apache, unspecified |
| the list of getEphemerals, the identities of whoami | sorted | the same |

zxid 0 and -1, ephemeralOwner 0, and the owner values that mark TTL and container znodes stay as they are.
"""

import re

STAT_ZXID = re.compile(r"\b(?P<name>[cmp]Zxid = 0x|czxid=|mzxid=)(?P<hex>[0-9a-f]+)\b")
EVENT_ZXID = re.compile(r"\b(?P<name>zxid: )(?P<decimal>-?\d+)\b")
SESSION = re.compile(r"\b(?P<name>ephemeralOwner = (?:0x)?|session id: 0x|session Id = )(?P<hex>[0-9a-f]+)\b")
DATE = re.compile(r"\w{3} \w{3} [ \d]\d \d\d:\d\d:\d\d (?:UTC )?(?!1970)\d{4}")
C_LOG = re.compile(r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d+:\d+.*:ZOO_[A-Z]+@")
CONTAINER_OWNER = 1 << 63
TTL_OWNERS = 0xFF << 56


def normalise(steps, host):
    """`steps` is a list of (heading, lines); the result has the same shape."""
    steps = [(heading, [line.replace(host, "HOST") for line in lines]) for heading, lines in steps]
    ranks = zxid_ranks(steps)
    sessions = {}
    return [
        (heading, sort_unordered(heading, [normalise_line(line, ranks, sessions) for line in lines if not C_LOG.match(line)]))
        for heading, lines in steps
    ]


def zxid_ranks(steps):
    seen = set()
    for _, lines in steps:
        for line in lines:
            seen.update(int(match["hex"], 16) for match in STAT_ZXID.finditer(line))
            seen.update(int(match["decimal"]) for match in EVENT_ZXID.finditer(line))
    return {zxid: rank for rank, zxid in enumerate(sorted(zxid for zxid in seen if zxid > 0), 1)}


def normalise_line(line, ranks, sessions):
    def zxid(match):
        groups = match.groupdict()
        value = int(groups["hex"], 16) if "hex" in groups else int(groups["decimal"])
        return f"{match['name']}<zxid {ranks[value]}>" if value > 0 else match[0]

    def session(match):
        value = int(match["hex"], 16)
        if value == 0 or value == CONTAINER_OWNER or value & TTL_OWNERS == TTL_OWNERS:
            return match[0]
        return f"{match['name']}<session {sessions.setdefault(value, len(sessions) + 1)}>"

    line = STAT_ZXID.sub(zxid, line)
    line = EVENT_ZXID.sub(zxid, line)
    line = SESSION.sub(session, line)
    line = DATE.sub("<date>", line)
    return re.sub(r"^time = -?\d+ msec$", "time = <n> msec", line)


def sort_unordered(heading, lines):
    if re.search(r'[:"] ?a?ls2? ', heading):
        # The names of one listing are a run of lines of one tab and a word.
        result, names = [], []
        for line in lines + [None]:
            if line is not None and re.match(r"^\t[^\s=]+$", line):
                names.append(line)
                continue
            result += sorted(names)
            names = []
            result.append(line)
        return result[:-1]
    if ": getEphemerals" in heading:
        return [f"[{', '.join(sorted(line[1:-1].split(', ')))}]" if line.startswith("[/") else line for line in lines]
    if heading.endswith(": whoami"):
        return lines[:2] + sorted(lines[2:])
    return lines
