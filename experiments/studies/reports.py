"""Reads the JSON reports that `python -m jaxvae.evaluate` writes to run folders."""

import json
from pathlib import Path
from typing import Any

from jaxvae import UserError


def read_report(run: Path, prior: str = "model") -> dict[str, Any]:
    """Returns the newest report of a run on the test split under a prior."""
    found = sorted((run / "evaluation").glob(f"test-{prior}-k*.json"), key=lambda path: path.stat().st_mtime)
    if not found:
        raise UserError(
            f"{run} has not been evaluated with this prior; first run python -m jaxvae.evaluate {run} --prior {prior}."
        )
    report: dict[str, Any] = json.loads(found[-1].read_text())
    return report
