"""The JSON that `python -m jaxvae.evaluate` left in run folders."""

import json
from pathlib import Path
from typing import Any

from jaxvae import UserError


def read_report(run: Path, prior: str = "model") -> dict[str, Any]:
    """The newest report of a run on the test split under this prior."""
    found = sorted((run / "evaluation").glob(f"test-{prior}-k*.json"), key=lambda path: path.stat().st_mtime)
    if not found:
        raise UserError(f"{run} was not evaluated; run python -m jaxvae.evaluate {run} --prior {prior} first.")
    report: dict[str, Any] = json.loads(found[-1].read_text())
    return report
