"""Tables of attributes, for people."""

from collections.abc import Mapping, Sequence
from typing import Any


def counts_table(counts: Mapping[str, Mapping[str, int]]) -> list[str]:
    """Each attribute with its classes and how many pictures have each; as `class_counts` counts."""
    rows = [
        (name, ", ".join(f"{label}: {count}" for label, count in classes.items())) for name, classes in counts.items()
    ]
    return _table([("attribute", "pictures"), *rows])


def edits_table(edits: Sequence[Mapping[str, Any]], classifier: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Each edit, added (+) or removed (-), and how far the classifier can be trusted; as `Judge` measures."""
    measured = [
        (
            f"{'-' if edit['removed'] else '+'}{edit['attribute']}",
            str(edit["n"]),
            *(_percent(edit[name]) for name in ("took", "took_before", "seen_in_reconstructions", "stayed")),
            f"{edit['stayed_least']['attribute']} {_percent(edit['stayed_least']['share'])}"
            if edit["stayed_least"]
            else "",
        )
        for edit in edits
    ]
    judged = [(name, _percent(of["accuracy"]), _percent(of["on_reconstructions"])) for name, of in classifier.items()]
    return [
        *_table([("edit", "n", "took", "unedited", "at best", "others stayed", "least of them"), *measured]),
        "",
        *_table([("classifier", "right on pictures", "on reconstructions"), *judged]),
    ]


def _table(rows: Sequence[tuple[str, ...]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]


def _percent(share: float | None) -> str:
    return "–" if share is None else f"{100 * share:.1f} %"
