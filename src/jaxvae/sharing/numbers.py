"""The numbers of a model card: those of the newest evaluation of the checkpoint, with their protocol."""

import json
from pathlib import Path
from typing import Any, NamedTuple

from jaxvae.sharing.local_paths import without_local_paths
from jaxvae.system.small_files import read_text

# What is shown: the field of the report or of its `pictures`, what it is called, and its digits.
BOUNDS = {
    "elbo_nats": ("ELBO (nats)", 2),
    "rate_nats": ("rate (nats)", 2),
    "distortion_nats": ("distortion (nats)", 2),
    "bits_per_dim": ("bits per dimension", 4),
}
IMAGES = {
    "psnr_db": ("PSNR of reconstructions (dB)", 2),
    "ssim": ("SSIM of reconstructions", 4),
    "squeeze_distance": ("perceptual distance of reconstructions", 4),
}
FRECHET = {
    "frechet_reconstructions": "Fréchet distance of reconstructions",
    "frechet_samples": "Fréchet distance of draws",
}


class Number(NamedTuple):
    """A measured number: its field in the report, what it is called, its mean and standard error, and their digits."""

    kind: str
    title: str
    mean: float
    standard_error: float | None
    digits: int

    def __str__(self) -> str:
        """Returns the number as it is written in a table."""
        error = "" if self.standard_error is None else f" ± {self.standard_error:.{self.digits}f}"
        return f"{self.mean:.{self.digits}f}{error}"


class Evaluation(NamedTuple):
    """What `evaluate` wrote, and where."""

    path: Path
    report: dict[str, Any]

    @property
    def protocol(self) -> dict[str, Any]:
        """How the numbers were measured."""
        return dict(self.report["protocol"])


def newest_evaluation(run: Path, step: int) -> Evaluation | None:
    """Returns the newest evaluation of this checkpoint in the run's folder; None if there is none."""
    found = [path for path in (run / "evaluation").glob("*.json") if path.is_file()]
    for path in sorted(found, key=lambda path: path.stat().st_mtime, reverse=True):
        try:
            report = json.loads(read_text(path))
        except (OSError, ValueError, RecursionError):
            continue
        # Measurements of attributes are in the same folder, and have no protocol.
        protocol = report.get("protocol") if isinstance(report, dict) else None
        if isinstance(protocol, dict) and protocol.get("step") == step and isinstance(report.get("pictures"), dict):
            return Evaluation(path, without_local_paths(report))
    return None


def numbers_of(report: dict[str, Any]) -> list[Number]:
    """Returns the numbers of a report that a card shows."""
    shown = [(kind, title, report.get(kind), digits) for kind, (title, digits) in BOUNDS.items()]
    for bound in report.get("log_likelihood_nats", [])[-1:]:
        shown.insert(3, ("log_likelihood_nats", f"bound on log p(x), K = {bound['k']} (nats)", bound, 2))
    shown += [(kind, title, report["pictures"].get(kind), digits) for kind, (title, digits) in IMAGES.items()]
    for kind, title in FRECHET.items():
        if distance := report["pictures"].get(kind):
            value = {"mean": distance["distance"], "standard_error": None}
            shown.append((kind, f"{title}, of {distance['features']} features", value, 4))
    return [
        Number(kind, title, value["mean"], value["standard_error"], digits)
        for kind, title, value, digits in shown
        if value is not None
    ]
