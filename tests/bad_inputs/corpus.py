"""Every bad or odd input of these tests, made where it is needed: each function writes one and returns its path."""

import atexit
import io
import json
import os
import pickle
import shutil
import struct
import tempfile
import zlib
from functools import cache
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from conftest import mistake, tiny_config
from hypothesis import HealthCheck, settings
from hypothesis.configuration import set_hypothesis_home_dir
from PIL import Image

from jaxvae import MLP
from jaxvae.data.prepared import open_prepared
from jaxvae.models import build
from jaxvae.runs import checkpoint
from jaxvae.runs.run import about, write_config

# What hypothesis writes down, even without a database, and the run below go away with the process.
home = tempfile.mkdtemp(prefix="jaxvae-bad-inputs-")
atexit.register(shutil.rmtree, home, ignore_errors=True)
set_hypothesis_home_dir(home)


def quietly(examples):
    """The settings of a property: the same examples each time, none kept, and no clock."""
    return settings(deadline=None, derandomize=True, database=None, max_examples=examples,
                    suppress_health_check=list(HealthCheck))  # fmt: skip


def noise(height=24, width=24, channels=3):
    return np.random.default_rng(0).integers(0, 256, (height, width, channels), np.uint8)


def encoded(kind, **options):
    buffer = io.BytesIO()
    Image.fromarray(noise()).save(buffer, kind, **options)
    return buffer.getvalue()


def png_of(width, height):
    """A PNG whose header says how large it is, and whose pixels end at once."""

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(99))) + chunk(b"IEND", b"")
    )


def postscript(mark):
    """A program in PostScript that draws a picture and writes the file `mark`."""
    program = f"({mark}) (w) file dup (ran) writestring closefile 0 0 9 9 rectfill showpage"
    return f"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n{program}\n%%EOF\n".encode()


# What no reader of pictures can use, by its file's name.
BROKEN_PICTURES = {
    "cut.jpg": lambda: encoded("jpeg")[:300],
    "header only.jpg": lambda: encoded("jpeg")[:20],
    "cut.png": lambda: encoded("png")[:600],
    "zero bytes.png": lambda: b"",
    "zeros.png": lambda: bytes(5000),
    "text.png": lambda: b"This is no picture.\n",
    "bomb.png": lambda: png_of(60_000, 60_000),
    "no pixels.png": lambda: png_of(0, 0),
    "cut.gif": lambda: encoded("gif")[:200],
    "cut.tiff": lambda: encoded("tiff")[:90],
    "cut.webp": lambda: encoded("webp")[:60],
    "archive.png": lambda: b"PK\x05\x06" + bytes(18),
}


def write(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def write_images(folder, count=10, size=(12, 9), suffix=".png"):
    """Whole pictures, each of one colour, to lie beside a bad one."""
    folder.mkdir(parents=True, exist_ok=True)
    for i in range(count):
        Image.new("RGB", size, (20 * i, 255 - 20 * i, 90)).save(folder / f"{i:03d}{suffix}")
    return folder


def animated(path):
    """A GIF that is red first and then blue and green."""
    frames = [Image.new("RGB", (12, 12), color) for color in ("red", "blue", "lime")]
    frames[0].save(path, "gif", save_all=True, append_images=frames[1:])
    return path


def cmyk(path):
    Image.new("CMYK", (12, 12), (0, 255, 255, 0)).save(path, "jpeg", quality=95)
    return path


def sixteen_bit(path):
    Image.fromarray(np.full((12, 12), 200 * 257, np.uint16)).save(path, "png")
    return path


class Trap:
    """What writes the file `mark` when it is unpickled."""

    def __init__(self, mark):
        self.mark = mark

    def __reduce__(self):
        return os.mkdir, (str(self.mark),)


def pickled(mark):
    return pickle.dumps(Trap(mark))


def trapped_arrays(path, mark):
    """A file of NumPy's that holds a pickle that would make the folder `mark`."""
    array = np.empty(3, object)
    array[:] = [Trap(mark)] * 3
    if path.suffix == ".npy":
        np.save(path, array, allow_pickle=True)
    else:
        np.savez(path, images=array)
    return path


def npy(dtype="|u1", shape=(5, 4, 4), content=b""):
    """An .npy file that says it holds this, with the content that it really has."""
    header = {"descr": dtype, "fortran_order": False, "shape": shape}
    buffer = io.BytesIO()
    np.lib.format.write_array_header_1_0(buffer, header)
    return buffer.getvalue() + content


def untrained_run(run, prepared):
    """The folder of a run that ended at step 3, as training writes it, with parameters as they begin."""
    return shutil.copytree(_untrained(prepared.path), run)


@cache
def _untrained(path):
    prepared, run = open_prepared(path), Path(tempfile.mkdtemp(dir=home))
    config = tiny_config(model=MLP(hidden=(8,), latent=3))
    params = jax.jit(build(config.model, prepared.shape).init)(jax.random.key(0))
    mixture = {"weights": jnp.ones(1), "means": jnp.zeros((1, 3)), "factors": jnp.eye(3)[None]}
    with checkpoint.open_checkpoints(run / "checkpoints") as checkpointer:
        trees = {"params": params, "fitted_mixture": mixture}
        checkpoint.save(checkpointer, 3, trees, about=about(config, prepared), objective=1.0, complete=True)
    write_config(run, config)
    return run


def tree(folder):
    """What lies in a folder: each path, where a link leads, and what a file holds."""
    found = {}
    for each in sorted(Path(folder).rglob("*")):
        name = each.relative_to(folder).as_posix()
        found[name] = os.readlink(each) if each.is_symlink() else each.read_bytes() if each.is_file() else None
    return found


def edit_json(path, change):
    """Applies `change` to the JSON in a file."""
    values = json.loads(path.read_text())
    change(values)
    path.write_text(json.dumps(values))


def sentence(result, *phrases):
    """As `mistake`, and the complaint is one line that holds nothing a terminal would obey."""
    mistake(result, *phrases)
    _, out, err = result
    (line,) = err.splitlines()
    assert (out, line[:7], line.isprintable()) == ("", "error: ", True)
