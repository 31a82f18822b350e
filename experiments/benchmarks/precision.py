"""The train step of CelebA's model on an accelerator: products as it makes them, in full float32, and in bfloat16.

    python experiments/benchmarks/precision.py

An NVIDIA GPU multiplies float32 in TF32 (10 bits of mantissa) where nothing else is asked for, a TPU in bfloat16.
`JAX_DEFAULT_MATMUL_PRECISION=highest` asks for float32; `--model.dtype bfloat16` is for all that the layers hand on.
"""

from dataclasses import replace
from pathlib import Path

import numpy as np
from contest import on_accelerator, record, take_turns
from ours import FOREVER, contestant

from jaxvae.train import read_experiment

EXPERIMENT = Path(__file__).parents[1] / "celeba.py"


if __name__ == "__main__":
    images = np.random.default_rng(0).integers(0, 256, (10_000, 64, 64, 3), dtype=np.uint8)
    celeba, steps = read_experiment(EXPERIMENT), 500 if on_accelerator() else 4
    usual = replace(celeba, train=replace(celeba.train, steps=FOREVER))
    half = contestant(replace(usual, model=replace(usual.model, dtype="bfloat16")), images, steps)
    whole = contestant(usual, images, steps)
    whole = whole._replace(environment={**whole.environment, "JAX_DEFAULT_MATMUL_PRECISION": "highest"})
    sides = {"float32": contestant(usual, images, steps), "float32, highest precision": whole, "bfloat16": half}
    measured = take_turns(sides, repeats=5, tolerance=0.02)
    per_step = {name: [1000.0 * each / steps for each in seconds] for name, seconds in measured.items()}
    record("precision, celeba", per_step.pop("float32"), per_step, target=0.0, unit="ms a step")
