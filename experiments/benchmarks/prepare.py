"""From JPEGs of CelebA's size to the prepared format, against a plain Pillow loop on one core.

make bench NAME=prepare
"""

import shutil
import tempfile
import time
from functools import partial
from pathlib import Path

import numpy as np
from contest import Contestant, Side, record, take_turns
from PIL import Image

from jaxvae import DataConfig, Folder
from jaxvae.data import prepare
from jaxvae.system.processes import cores

COUNT, CROP, SIZE = 20_000, 140, 64


def jpegs(folder: Path) -> None:
    """Pictures of 178x218 that take a decoder as long as photographs: smooth shapes and some grain."""
    random = np.random.default_rng(0)
    for number in range(COUNT):
        coarse = Image.fromarray(random.integers(0, 256, (14, 11, 3), dtype=np.uint8))
        smooth = np.asarray(coarse.resize((178, 218), Image.Resampling.BICUBIC), np.int16)
        grain = random.integers(-12, 13, smooth.shape)
        Image.fromarray(np.clip(smooth + grain, 0, 255).astype(np.uint8)).save(folder / f"{number:06d}.jpg", quality=90)


def ours(folder: Path) -> Side:
    """`prepare`, with its checks and checksums; a turn is in milliseconds a picture."""

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
    """Open, cut, resize, stack, save."""

    def turn() -> float:
        begin = time.perf_counter()
        pictures = []
        for path in sorted(folder.glob("*.jpg")):
            with Image.open(path) as image:
                left, top = (image.width - CROP) // 2, (image.height - CROP) // 2
                cut = image.convert("RGB").crop((left, top, left + CROP, top + CROP))
                pictures.append(np.asarray(cut.resize((SIZE, SIZE), Image.Resampling.BICUBIC)))
        with tempfile.TemporaryDirectory() as root:
            np.save(Path(root, "train.npy"), np.stack(pictures))
        return 1000.0 * (time.perf_counter() - begin) / COUNT

    turn()
    return Side(turn)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        jpegs(folder)
        measured = take_turns(
            {"jaxvae": Contestant(partial(ours, folder)), "Pillow": Contestant(partial(plain, folder))}, repeats=5
        )
        record(
            "prepare", measured["jaxvae"], {"plain Pillow loop, one core": measured["Pillow"]}, target=0.9 * cores(),
            unit="ms a picture",
        )  # fmt: skip
