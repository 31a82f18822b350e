"""Draws the packages of jaxvae as an SVG, floor by floor: each imports only what stands below it.

python docs/packages.py > packages.svg        (needs grimp, which reads the imports without running the code)

A floor is one more than the highest floor that its packages import. Lines are imports that do not follow from others:
where a imports b and b imports c, the line from a to c is left out. The commands are one box, `errors` has no lines.
"""

import sys
from collections import defaultdict
from html import escape
from pathlib import Path

import grimp

Graph = dict[str, set[str]]

COMMANDS = "commands"
COMMANDS_WEIGHT = 3  # Its box is as broad as this many others.
EVERYWHERE = "errors"  # Imported by nearly all; its lines would hide the others.
WIDTH, BOX_HEIGHT, FLOOR_HEIGHT, MARGIN = 960, 46, 92, 24
FONT = "font-family='ui-sans-serif, system-ui, Helvetica, Arial, sans-serif'"


def package_graph() -> tuple[Graph, dict[str, int]]:
    """Returns which package or root module imports which, and the number of modules of each."""
    from jaxvae.__main__ import COMMANDS as NAMES

    graph = grimp.build_graph("jaxvae", exclude_type_checking_imports=True, cache_dir=None)

    def room(module: str) -> str | None:
        parts = module.split(".")
        if len(parts) == 1 or parts[1] == "__main__":
            return None
        return COMMANDS if parts[1] in NAMES or parts[1] == "cli" else parts[1]

    imports: Graph = defaultdict(set)
    sizes: dict[str, int] = defaultdict(int)
    for module in graph.modules:
        if (source := room(module)) is None:
            continue
        sizes[source] += 1
        imports[source] |= {
            target
            for imported in graph.find_modules_directly_imported_by(module)
            if (target := room(imported)) not in (None, source)
        }
    return dict(imports), dict(sizes)


def reach(imports: Graph) -> Graph:
    """Returns all that each imports, directly or not."""

    def below(name: str, seen: set[str]) -> set[str]:
        for target in imports[name] - seen:
            seen.add(target)
            below(target, seen)
        return seen

    return {name: below(name, set()) for name in imports}


def floors(imports: Graph) -> dict[str, int]:
    """Returns the floor of each, from 0; packages that import one another stand on the same one."""
    reached = reach(imports)
    found: dict[str, int] = {}

    def floor(name: str) -> int:
        if name not in found:
            same = {other for other in reached[name] if name in reached[other]} | {name}
            lower = {target for each in same for target in imports[each]} - same
            height = 1 + max((floor(target) for target in lower), default=-1)
            found.update(dict.fromkeys(same, height))
        return found[name]

    for name in imports:
        floor(name)
    return found


def lines(imports: Graph) -> list[tuple[str, str]]:
    """Returns the imports that do not follow from others, without those of `errors`."""
    reached = reach(imports)
    kept = []
    for source, targets in imports.items():
        for target in targets - {EVERYWHERE}:
            others = targets - {target}
            if not any(target in reached[other] and other not in reached[target] for other in others):
                kept.append((source, target))
    return sorted(kept)


def order(imports: Graph, heights: dict[str, int]) -> list[list[str]]:
    """Returns the names floor by floor, each near the mean place of what it is joined to, so that few lines cross."""
    rows = [sorted(name for name in heights if heights[name] == height) for height in range(max(heights.values()) + 1)]
    joined = lines(imports)
    place = {name: (i + 0.5) / len(row) for row in rows for i, name in enumerate(row)}

    def mean(name: str) -> float:
        ends = [place[b if a == name else a] for a, b in joined if name in (a, b)]
        return sum(ends) / len(ends) if ends else place[name]

    for _ in range(24):
        for row in [*rows, *rows[::-1]]:
            row.sort(key=lambda name: (mean(name), name))
            place.update({name: (i + 0.5) / len(row) for i, name in enumerate(row)})
    return rows


def draw_packages() -> str:
    """Returns the SVG."""
    imports, sizes = package_graph()
    for target in {target for targets in imports.values() for target in targets} - set(imports):
        imports[target] = set()
    heights = floors(imports)
    rows = order(imports, heights)
    height = len(rows) * FLOOR_HEIGHT + 2 * MARGIN - (FLOOR_HEIGHT - BOX_HEIGHT)
    boxes: dict[str, tuple[float, float, float]] = {}  # Left, top, width.
    for number, row in enumerate(rows):
        top = height - MARGIN - BOX_HEIGHT - number * FLOOR_HEIGHT
        weights = [COMMANDS_WEIGHT if name == COMMANDS else 1 for name in row]
        share, left = (WIDTH - 2 * MARGIN) / sum(weights), float(MARGIN)
        for name, weight in zip(row, weights, strict=True):
            width = min(620, share * weight - 14) if name == COMMANDS else min(150, share - 14)
            boxes[name] = (left + (share * weight - width) / 2, top, width)
            left += share * weight
    root = {path.stem for path in (Path(__file__).parents[1] / "src" / "jaxvae").glob("*.py")}
    parts = [
        f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {WIDTH} {height}' width='{WIDTH}' height='{height}' "
        f"role='img' aria-label='Packages of jaxvae, floor by floor'>",
        f"<rect width='{WIDTH}' height='{height}' rx='10' fill='#ffffff'/>",
    ]
    for source, target in lines(imports):
        parts.append(_line(boxes[source], boxes[target]))
    for name, (left, top, width) in boxes.items():
        parts.append(_box(name, sizes[name], left, top, width, package=name not in root))
    return "\n".join([*parts, "</svg>", ""])


def _line(source: tuple[float, float, float], target: tuple[float, float, float]) -> str:
    start, end = (source[0] + source[2] / 2, source[1] + BOX_HEIGHT), (target[0] + target[2] / 2, target[1])
    if source[2] > 300:  # From a broad box straight above the target, where that is possible.
        start = (min(max(end[0], source[0] + 12), source[0] + source[2] - 12), start[1])
    bend = (end[1] - start[1]) / 2
    curve = (
        f"M{start[0]:.1f} {start[1]:.1f} C{start[0]:.1f} {start[1] + bend:.1f} {end[0]:.1f} {end[1] - bend:.1f} "
        f"{end[0]:.1f} {end[1]:.1f}"
    )
    return f"<path d='{curve}' fill='none' stroke='#9db2c7' stroke-width='1.3'/>"


def _box(name: str, modules: int, left: float, top: float, width: float, *, package: bool) -> str:
    if name == COMMANDS:
        under, fill, edge = "train · evaluate · sample · interpolate · attribute · explore · …", "#fdf0d9", "#d9a441"
    elif package:
        under, fill, edge = f"{modules} modules", "#e3eefb", "#4a7fb5"
    else:
        under, fill, edge = "one module", "#eef3ee", "#7f9b7f"
    middle = left + width / 2
    return (
        f"<rect x='{left:.1f}' y='{top:.1f}' width='{width:.1f}' height='{BOX_HEIGHT}' rx='7' fill='{fill}' "
        f"stroke='{edge}'/>"
        f"<text x='{middle:.1f}' y='{top + 20:.1f}' text-anchor='middle' {FONT} font-size='15' font-weight='600' "
        f"fill='#1d2733'>{escape(name)}</text>"
        f"<text x='{middle:.1f}' y='{top + 36:.1f}' text-anchor='middle' {FONT} font-size='11' fill='#55616e'>"
        f"{escape(under)}</text>"
    )


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[1] / "src"))
    sys.stdout.write(draw_packages())
