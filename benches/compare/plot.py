"""The plot: how many times better than Apache each line is, and the target, on a logarithmic axis. SVG by hand."""

import math
from xml.sax.saxutils import escape

ROW_HEIGHT = 26
LABEL_WIDTH = 350
BAR_WIDTH = 420
VALUE_WIDTH = 110
TOP = 64
BOTTOM = 40
LOWER_IS_BETTER = {"us", "us/op", "ms", "MB", "bytes"}

STYLE = """
  text { font: 13px system-ui, sans-serif; fill: #1f2328; }
  .title { font-size: 16px; font-weight: 600; }
  .muted { fill: #59636e; }
  .grid { stroke: #d1d9e0; stroke-width: 1; }
  .one { stroke: #59636e; stroke-width: 1.5; }
  .met { fill: #2a78d6; }
  .missed { fill: #d1570a; }
  .target { stroke: #1f2328; stroke-width: 2; }
  .paper { fill: #ffffff; }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3; } .muted { fill: #9198a1; } .grid { stroke: #30363d; } .one { stroke: #9198a1; }
    .met { fill: #4c97f0; } .missed { fill: #f0883e; } .target { stroke: #e6edf3; } .paper { fill: #0d1117; }
  }
"""


def ratios_svg(lines):
    """The plot as text, or None when no line has values of both servers."""
    bars = [bar for bar in map(bar_of, lines) if bar]
    if not bars:
        return None
    largest = max([bar["factor"] for bar in bars] + [bar["target"] for bar in bars])
    smallest = min([bar["factor"] for bar in bars] + [bar["target"] for bar in bars] + [1.0])
    low, high = math.floor(math.log2(smallest)), max(1, math.ceil(math.log2(largest)))
    height = TOP + ROW_HEIGHT * len(bars) + BOTTOM
    width = LABEL_WIDTH + BAR_WIDTH + VALUE_WIDTH

    def x(factor):
        return LABEL_WIDTH + BAR_WIDTH * (math.log2(factor) - low) / (high - low)

    bottom = TOP + ROW_HEIGHT * len(bars)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" role="img">',
        f"<style>{STYLE}</style>",
        f'<rect class="paper" width="{width}" height="{height}"/>',
        '<text class="title" x="12" y="26">zkrs against Apache ZooKeeper 3.9.5: times better</text>',
        '<text class="muted" x="12" y="46">logarithmic; the tick is the target, orange misses it</text>',
    ]
    step = max(1, math.ceil((high - low) / 8))
    for power in range(low, high + 1, step):
        at = x(2.0**power)
        parts.append(f'<line class="grid" x1="{at:.1f}" y1="{TOP}" x2="{at:.1f}" y2="{bottom}"/>')
        parts.append(f'<text class="muted" x="{at:.1f}" y="{bottom + 20}" text-anchor="middle">{factor_text(2.0**power)}</text>')
    for index, bar in enumerate(bars):
        parts += draw_bar(bar, TOP + ROW_HEIGHT * index, x)
    parts.append(f'<line class="one" x1="{x(1):.1f}" y1="{TOP}" x2="{x(1):.1f}" y2="{bottom}"/>')
    parts.append("</svg>")
    return "\n".join(parts) + "\n"


def bar_of(line):
    """How many times better zkrs is, and must be; None for a line whose target is not about Apache, or without values."""
    ratio = line["ratio"]
    if not ratio or ratio <= 0 or line["bound"] is None:
        return None
    lower = line["unit"] in LOWER_IS_BETTER
    factor = 1 / ratio if lower else ratio
    return {
        "title": line["title"],
        "factor": factor,
        "target": 1 / line["bound"] if lower else line["bound"],
        "missed": line["met"] is False,
    }


def draw_bar(bar, top, x):
    middle = top + ROW_HEIGHT / 2
    start, end = sorted((x(1), x(bar["factor"])))
    kind = "missed" if bar["missed"] else "met"
    parts = [
        f'<text x="{LABEL_WIDTH - 10}" y="{middle + 4:.1f}" text-anchor="end">{escape(bar["title"])}</text>',
        f'<rect class="{kind}" x="{start:.1f}" y="{top + 5}" width="{max(end - start, 1):.1f}" height="{ROW_HEIGHT - 10}" rx="2"/>',
    ]
    at = x(bar["target"])
    parts.append(f'<line class="target" x1="{at:.1f}" y1="{top + 2}" x2="{at:.1f}" y2="{top + ROW_HEIGHT - 2}"/>')
    value_at = max(end, at) + 6
    parts.append(f'<text x="{value_at:.1f}" y="{middle + 4:.1f}">{factor_text(bar["factor"])}</text>')
    return parts


def factor_text(factor):
    return f"{factor:,.0f}x" if factor >= 10 else f"{factor:.2g}x"
