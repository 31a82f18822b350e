"""Preparing JPEGs of CelebA's size, against a plain Pillow loop on one core.

make bench NAME=prepare
"""

import shutil
import tempfile
import time
from functools import partial
from pathlib import Path

import numpy as np
from contest import QUICK, Contestant, Side, record, take_turns
from PIL import Image

from jaxvae import DataConfig, Folder
from jaxvae.data.prepare import prepare
from jaxvae.system.processes import cpu_count

COUNT, CROP, SIZE = 3_000 if QUICK else 20_000, 140, 64


def jpegs(folder: Path) -> None:
    """Writes 178x218 JPEGs that take as long to decode as photographs: smooth shapes plus grain."""
    random = np.random.default_rng(0)
    for number in range(COUNT):
        coarse = Image.fromarray(random.integers(0, 256, (14, 11, 3), dtype=np.uint8))
        smooth = np.asarray(coarse.resize((178, 218), Image.Resampling.BICUBIC), np.int16)
        grain = random.integers(-12, 13, smooth.shape)
        Image.fromarray(np.clip(smooth + grain, 0, 255).astype(np.uint8)).save(folder / f"{number:06d}.jpg", quality=90)


def ours(folder: Path) -> Side:
    """Measures `prepare`, including its checks and checksums, in milliseconds per image."""

    def turn() -> float:
        root = tempfile.mkdtemp()
        begin = time.perf_counter()
        prepare(DataConfig(source=Folder(path=str(folder)), root=root, crop=CROP, size=SIZE))
        taken = time.perf_counter() - begin
        shutil.rmtree(root)
        return 1000.0 * taken / COUNT

    turn()
    return Side(turn)


def plain(folder: Path) -> Side:
    """Measures a plain loop: open, crop, resize, stack, save; in milliseconds per image."""

    def turn() -> float:
        begin = time.perf_counter()
        images = []
        for path in sorted(folder.glob("*.jpg")):
            with Image.open(path) as image:
                left, top = (image.width - CROP) // 2, (image.height - CROP) // 2
                cropped = image.convert("RGB").crop((left, top, left + CROP, top + CROP))
                images.append(np.asarray(cropped.resize((SIZE, SIZE), Image.Resampling.BICUBIC)))
        with tempfile.TemporaryDirectory() as root:
            np.save(Path(root, "train.npy"), np.stack(images))
        return 1000.0 * (time.perf_counter() - begin) / COUNT

    turn()
    return Side(turn)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        jpegs(folder)
        measured = take_turns(
            {"jaxvae": Contestant(partial(ours, folder)), "Pillow": Contestant(partial(plain, folder))},
            repeats=3 if QUICK else 5,
        )
        record(
            "prepare",
            measured["jaxvae"],
            {"plain Pillow loop, one core": measured["Pillow"]},
            target=0.9 * cpu_count(),
            unit="ms a picture",
        )
