"""What a run recorded while it was trained, for findings that the trained model alone does not show."""

from pathlib import Path

from jaxvae.errors import UserError
from jaxvae.runs.comparison import read_run

LINES = 20  # The last ones that were logged, over which numbers are averaged.


def recent_training(run: Path, step: int) -> dict[str, float]:
    """Returns the means of the training metrics over the last lines up to a step; empty where there are none.

    Only lines with the same metrics as the last one count, so that those of an earlier objective do not.
    """
    try:
        recorded = read_run(run)
    except UserError:
        return {}  # A report does not fail because of a log that was damaged or is not there.
    lines = [line for line in recorded.lines if line.get("kind") == "train" and line["step"] <= step][-LINES:]
    lines = [line for line in lines if line.keys() == lines[-1].keys()]
    numbers = {
        name: [line[name] for line in lines]
        for name in (lines[-1] if lines else ())
        if all(type(line[name]) in (int, float) for line in lines)
    }
    return {name: sum(values) / len(values) for name, values in numbers.items()}
