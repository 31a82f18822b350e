"""Train step of a convolutional VAE on 64x64 images, against eager PyTorch in both memory layouts and torch.compile.

    make bench NAME=conv64

Four 4x4 convolutions of stride 2 (32, 64, 128, 256 channels), 128 latent units, mirrored decoder; batch 128, float32.
Each side reads batches of uint8 images from memory and samples its own noise. The second row gives PyTorch the
allocator settings that `python -m jaxvae.train` uses.
"""

import time
from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np
from contest import QUICK, Contestant, Side, on_accelerator, record, take_turns_beside_a_busy_process
from instruction_sets import instruction_sets, limited
from ours import FOREVER, contestant, start_of

from jaxvae import Config, Conv, DataConfig, TrainConfig
from jaxvae.system.processes import TUNABLES

BATCH = 128
CONFIG = Config(
    data=DataConfig(pixels="scaled"),
    model=Conv(latent=128),
    train=TrainConfig(steps=FOREVER, batch_size=BATCH, schedule="constant", warmup_steps=0, clip_norm=None),
)


def pytorch(
    start: dict[str, Any], images: np.ndarray, steps: int, device: str, *, channels_last: bool, compiled: bool
) -> Side:
    """Builds and warms up PyTorch's side; a turn is `steps` steps, measured in seconds."""
    import torch
    from peers import ConvVAE, as_jax_multiplies, wait

    as_jax_multiplies()

    layout = torch.channels_last if channels_last else torch.contiguous_format
    model: Any = ConvVAE(start["params"])
    model = model.to(device, memory_format=layout)
    optimizer = torch.optim.Adam(model.parameters(), 1e-3, fused=True)
    dataset = torch.tensor(images.transpose(0, 3, 1, 2).copy(), device=device)
    model = torch.compile(model) if compiled else model
    x = torch.tensor(start["x"].transpose(0, 3, 1, 2).copy(), device=device).contiguous(memory_format=layout)
    loss = float(model(x, torch.tensor(start["noise"], device=device)).detach())

    def turn() -> float:
        begin = time.perf_counter()
        for _ in range(steps):
            rows = torch.randint(len(dataset), (BATCH,), device=device)
            batch = dataset[rows].to(torch.float32, memory_format=layout) / 255.0
            optimizer.zero_grad(set_to_none=True)
            model(batch, torch.randn(BATCH, 128, device=device)).backward()
            optimizer.step()
        wait(device)
        return time.perf_counter() - begin

    turn()
    turn()
    return Side(turn, loss)


def conv64(instructions: str, environment: Mapping[str, str], start: dict[str, Any], images: np.ndarray) -> None:
    """Measures the rows with one instruction set: alone, and beside a process that keeps one core busy."""
    steps, device, tolerance = (200, "cuda", 2e-3) if on_accelerator() else (3 if QUICK else 20, "cpu", 1e-4)
    side = partial(pytorch, start, images, steps, device)
    peers = {
        "PyTorch eager, channels last": Contestant(
            partial(side, channels_last=True, compiled=False), imports=("peers",)
        ),
        "torch.compile, channels last": Contestant(
            partial(side, channels_last=True, compiled=True), imports=("peers",)
        ),
    }
    if not QUICK:  # Never the fastest so far.
        peers["PyTorch eager, contiguous"] = Contestant(
            partial(side, channels_last=False, compiled=False), imports=("peers",)
        )
    tuned = {
        f"{name}, tuned allocator": peers[name]._replace(environment={"GLIBC_TUNABLES": TUNABLES})
        for name in ("torch.compile, channels last",)
    }
    sides = limited({"jaxvae": contestant(CONFIG, images, steps)} | peers | tuned, environment)
    alone, beside = take_turns_beside_a_busy_process(sides, repeats=3 if QUICK else 7, tolerance=tolerance)
    row = partial(record, target=1.0, unit="ms a step", instructions=instructions)
    for seconds, name in ((alone, "conv64"), (beside, "conv64 beside a busy process")):
        per_step = {side: [1000.0 * turn / steps for turn in turns] for side, turns in seconds.items()}
        ours = per_step.pop("jaxvae")
        own = {side: per_step.pop(side) for side in tuned if side in per_step}
        row(name, ours, per_step)
        if own:
            row(f"{name}, both with jaxvae's allocator settings", ours, own)


if __name__ == "__main__":
    images = np.random.default_rng(0).integers(0, 256, (1280, 64, 64, 3), dtype=np.uint8)
    start = start_of(CONFIG, images)
    for instructions, environment in instruction_sets().items():
        conv64(instructions, environment, start, images)
