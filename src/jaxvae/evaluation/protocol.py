"""What must be known to compare a number with another."""

from typing import Any

import jax

from jaxvae.data.prepared import Prepared
from jaxvae.likelihoods import stored_bits
from jaxvae.run import Info, versions

BINARISATION = "a coin for each pixel that falls 1 with v / 255, drawn once with the seed (dynamic in training)"


def protocol(info: Info, prepared: Prepared, options: Any, n: int) -> dict[str, Any]:
    """How and of what everything in a report was measured; it holds for each number there."""
    config, bits = info.config, stored_bits(info.config)
    return {
        "run": str(info.run),
        "step": info.step,
        "parameters": info.parameters,
        "data": prepared.info["name"],
        "data_sha256": prepared.info["splits"][options.split]["sha256"][f"{options.split}.npy"],
        "split": options.split,
        "n": n,
        "shape": list(prepared.shape),
        "pixels": config.data.pixels,
        "binarization": BINARISATION if config.data.pixels == "binarized" else None,
        "bit_depth": None if bits is None else bits.depth,
        "likelihood": config.model.likelihood,
        "prior": config.model.prior if options.prior == "model" else options.prior,
        "trained_with": config.objective.name,
        "k": options.k,
        "seed": options.seed,
        "versions": versions(),
        "versions_in_training": info.versions,
        "backend": jax.default_backend(),
    }
