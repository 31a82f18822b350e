"""Plain-text tables of attributes and edits."""

from collections.abc import Mapping, Sequence
from typing import Any

from jaxvae.rendering.text_table import text_table


def counts_table(counts: Mapping[str, Mapping[str, int]]) -> list[str]:
    """Formats the image counts per attribute and class from `class_counts`."""
    rows = [
        (name, ", ".join(f"{label}: {count}" for label, count in classes.items())) for name, classes in counts.items()
    ]
    return text_table([("attribute", "images"), *rows])


def edits_table(edits: Sequence[Mapping[str, Any]], classifier: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Formats edits, added (+) or removed (-), as measured by `Judge`, and the classifier's accuracy."""
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
    judged = [
        (name, _percent(scores["accuracy"]), _percent(scores["on_reconstructions"]))
        for name, scores in classifier.items()
    ]
    return [
        *text_table(
            [("edit", "n", "success", "unedited", "reconstructed", "others stayed", "worst of them"), *measured]
        ),
        "",
        *text_table([("classifier", "accuracy on images", "on reconstructions"), *judged]),
    ]


def _percent(share: float | None) -> str:
    return "–" if share is None else f"{100 * share:.1f} %"
