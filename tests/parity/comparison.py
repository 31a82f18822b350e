"""Compares a converted model with what the library it came from computed."""

from pathlib import Path

import jax
import numpy as np
from safetensors.numpy import load_file

from jaxvae.interchange import import_model
from jaxvae.library import load

FIXTURES = Path(__file__).parent / "fixtures"
GROUPS = {"kl_original_names": 2}  # Original files do not say.
TOLERANCE = 1e-4  # Of the largest value.


def source_of(folder: Path) -> Path:
    """Returns what a user would give to convert: the folder, or the single file in it."""
    original = folder / "original.safetensors"
    return original if original.exists() else folder


def largest_differences(folder: Path, run: Path) -> dict[str, float]:
    """Converts a model to a run; returns the largest difference of each output, relative to its largest value."""
    expected = load_file(folder / "expected.safetensors")
    x = expected["x"]
    import_model(source_of(folder), run, size=x.shape[1:3], groups=GROUPS.get(folder.name))
    vae, params, _ = load(run)
    posterior = jax.jit(vae.encode)(params, x)
    found = {name: getattr(posterior, name) for name in ("mean", "log_variance") if name in expected}
    found["image"] = jax.jit(vae.decode)(params, expected["mean"]).mean
    return {
        name: float(np.max(np.abs(found[name] - expected[name])) / np.max(np.abs(expected[name]))) for name in found
    }
