"""Train step of a convolutional VAE on 64x64 images, against eager PyTorch in both memory layouts and torch.compile.

    make bench NAME=conv64

Four 4x4 convolutions of stride 2 (32, 64, 128, 256 channels), 128 latent units, mirrored decoder; batch 128, float32.
Each side reads batches of uint8 images from memory and samples its own noise. The second row gives PyTorch the
allocator settings that `python -m jaxvae.train` uses.
"""

import time
from functools import partial
from typing import Any

import numpy as np
from contest import Contestant, Side, on_accelerator, record, take_turns
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


if __name__ == "__main__":
    images = np.random.default_rng(0).integers(0, 256, (1280, 64, 64, 3), dtype=np.uint8)
    start = start_of(CONFIG, images)
    steps, device, tolerance = (200, "cuda", 2e-3) if on_accelerator() else (20, "cpu", 1e-4)
    peers = {
        "PyTorch eager, contiguous": partial(
            pytorch, start, images, steps, device, channels_last=False, compiled=False
        ),
        "PyTorch eager, channels last": partial(
            pytorch, start, images, steps, device, channels_last=True, compiled=False
        ),
        "torch.compile, channels last": partial(
            pytorch, start, images, steps, device, channels_last=True, compiled=True
        ),
    }
    tuned = {
        "torch.compile, tuned allocator": Contestant(
            peers["torch.compile, channels last"], {"GLIBC_TUNABLES": TUNABLES}
        )
    }
    sides = {"jaxvae": contestant(CONFIG, images, steps)} | {name: Contestant(make) for name, make in peers.items()}
    measured = take_turns(sides | tuned, repeats=7, tolerance=tolerance)
    per_step = {name: [1000.0 * turn / steps for turn in seconds] for name, seconds in measured.items()}
    ours = per_step.pop("jaxvae")
    own = {name: per_step.pop(name) for name in tuned}
    record("conv64", ours, per_step, target=1.0, unit="ms a step")
    record("conv64, both with jaxvae's allocator settings", ours, own, target=1.0, unit="ms a step")
