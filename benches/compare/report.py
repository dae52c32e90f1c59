"""The table and the page around it."""

import os
import statistics
import tempfile
import time


def table(lines):
    """A Markdown table, aligned so that it reads as plain text too."""
    header = ["", "Apache", "zkrs", "zkrs / Apache", "target", "met"]
    body = [
        [
            f"{line['title']} ({line['unit']})",
            number(line["apache"]),
            number(line["zkrs"]),
            ratio_cell(line),
            line["target"],
            {True: "yes", False: "NO", None: "-"}[line["met"]],
        ]
        for line in lines
    ]
    widths = [max(len(row[column]) for row in [header, *body]) for column in range(len(header))]
    right = (1, 2, 3)

    def format_row(cells):
        aligned = [c.rjust(w) if i in right else c.ljust(w) for i, (c, w) in enumerate(zip(cells, widths, strict=True))]
        return "| " + " | ".join(aligned) + " |"

    rule = ["-" * (w - 1) + ":" if i in right else "-" * w for i, w in enumerate(widths)]
    return "\n".join([format_row(header), format_row(rule), *map(format_row, body)])


def ratio_cell(line):
    """The ratio to Apache; where the target looks elsewhere, that ratio behind it."""
    parts = [f"{line['ratio']:.2f}x"] if line["ratio"] is not None else []
    reference = line["ratio_to_reference"]
    if reference is not None and reference != line["ratio"]:
        if line["redis"] is not None:
            parts.append(f"{reference:.2f}x redis ({number(line['redis'])})")
        elif "quiet" in line["target"]:
            parts.append(f"{reference:.2f}x quiet")
    elif line["redis"] is not None:
        parts.append(f"redis {number(line['redis'])}")
    return ", ".join(parts) or "-"


def page(text, about, results, has_plot):
    """report.md."""
    machine = f"{about['cpu']}, {about['cores']} cores, {about['memory_gb']} GB, Linux {about['kernel']}, {about['filesystem']}"
    parts = [
        "# zkrs beside Apache ZooKeeper 3.9.5",
        "",
        f"One run on one machine; medians of {about['rounds']} rounds of {about['seconds_a_round']:g} s, rounds alternating",
        "between the servers; fsync on; the same generator, on the same cores as the servers.",
        f"Apache with `-Xmx1000m`, default JIT and collector. Tree of {about['znodes']:,} znodes,",
        f"{about['idle_sessions']:,} idle sessions.",
        "",
        text,
        "",
    ]
    parts += [f"- {note}" for note in results.notes] + [f"- FAILED {failure}" for failure in results.failures]
    parts += [
        "",
        f"- Machine: {machine}",
        f"- {about['java']}; {about['redis']}",
        f"- One `fdatasync` of 4 KiB in a preallocated file: {about['fdatasync_p50_us']:.0f} us (p50)",
        "- Made by `benches/compare/run.py`; every round's value is in `report.json`",
    ]
    if has_plot:
        parts += ["", "![zkrs against Apache ZooKeeper](report.svg)"]
    return "\n".join(parts) + "\n"


def number(value):
    if value is None:
        return "-"
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def fdatasync_p50_us(directory, times=300):
    """What the disk allows: one synced write of 4 KiB into a file whose blocks are there already."""
    block = b"x" * 4096
    with tempfile.TemporaryFile(dir=directory) as file:
        descriptor = file.fileno()
        for index in range(times):
            os.pwrite(descriptor, block, index * len(block))
        os.fsync(descriptor)
        taken = []
        for index in range(times):
            begun = time.perf_counter_ns()
            os.pwrite(descriptor, block, index * len(block))
            os.fdatasync(descriptor)
            taken.append(time.perf_counter_ns() - begun)
    return statistics.median(taken) / 1000
