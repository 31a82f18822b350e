"""The pictures that a person chooses: of the data set, uploaded, or drawn."""

import hashlib
import io
import re
import tempfile
from collections import OrderedDict
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, UInt8
from PIL import Image

from jaxvae.data.images import UNREADABLE
from jaxvae.data.select import by_index, by_query, from_file
from jaxvae.errors import UserError
from jaxvae.explorer import moves as exploring
from jaxvae.explorer.requests import DrawAsked, draw_asked
from jaxvae.runs.run import Loaded

KEPT = 32  # Uploads; the one that was used longest ago goes first.


LARGEST_BYTES, LARGEST_PIXELS = 20_000_000, 50_000_000


LONGEST_NAME = 60


class End(NamedTuple):
    """A picture that was chosen and its code. `name` chooses it again, `label` is for people."""

    name: str
    label: str
    picture: UInt8[np.ndarray, "h w c"]
    row: Float[np.ndarray, " d"]


def draw_name(asked: DrawAsked, index: int) -> str:
    """The name of picture number `index` of a draw, which `parse_draw` reads."""
    return f"draw:{asked.prior}:{asked.seed}:{asked.temperature:g}:{index}"


class Uploads:
    """The pictures that were uploaded, in memory and in the shape of the data set's, the last KEPT of them."""

    def __init__(self, loaded: Loaded) -> None:
        self.loaded = loaded
        self.ends: OrderedDict[str, End] = OrderedDict()

    def add(self, name: str, content: bytes) -> End:
        """Takes an image file, cuts and resizes it; `UserError` for one that is too large, damaged or no image."""
        label = Path(name.replace("\\", "/")).name[-LONGEST_NAME:] or "the upload"
        _refuse_large(label, content)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "upload"
            path.write_bytes(content)
            try:
                picture = from_file(path, self.loaded.info.data)
            except UserError as error:
                raise UserError(str(error).replace(str(path), label)) from error
        key = f"upload:{hashlib.sha256(content).hexdigest()[:16]}"
        self.ends[key] = End(key, label, picture, exploring.code_row(self.loaded, picture))
        while len(self.ends) > KEPT:
            self.ends.popitem(last=False)
        return self.ends[key]

    def get(self, name: str) -> End:
        """One that was added; `UserError` if it was forgotten since."""
        if name not in self.ends:
            raise UserError("that upload is no longer kept; upload it again.")
        self.ends.move_to_end(name)
        return self.ends[name]


def of_data(loaded: Loaded, which: str) -> End:
    """A picture of the data set: `test:12`, or the first test picture with the wished attributes.

    No path of a file is taken here: what the page may read is what was uploaded. `UserError` for anything else.
    """
    data = loaded.info.data
    if match := re.fullmatch(r"(\w+):(\d{1,9})", which):
        picture = by_index(match[1], int(match[2]), data)
    elif "=" in which:
        picture = by_query(which, data)
    else:
        wish = f", or a wish such as {data['attributes'][0]}=1" if data["attributes"] else ""
        raise UserError(f"there is no picture {which!r}: give test:NUMBER{wish}, or upload one.")
    return End(which, which, picture, exploring.code_row(loaded, picture))


def parse_draw(name: str) -> tuple[DrawAsked, int]:
    """The draw, and the number of the picture in it; `UserError` for a name that is none."""
    match = re.fullmatch(r"draw:(\w+):(\d{1,10}):(\d+(?:\.\d+)?):(\d{1,3})", name)
    if match is None or int(match[4]) >= exploring.DRAWN:
        raise UserError(f"there is no draw {name!r}.")
    return draw_asked({"prior": match[1], "seed": int(match[2]), "temperature": float(match[3])}), int(match[4])


def _refuse_large(label: str, content: bytes) -> None:
    if len(content) > LARGEST_BYTES:
        raise UserError(
            f"{label} has {len(content) / 1e6:.3g} MB, but an upload may have {LARGEST_BYTES / 1e6:.3g} MB."
        )
    try:
        # The header alone: a small file may unfold to more pixels than memory holds.
        with Image.open(io.BytesIO(content)) as image:
            width, height = image.size
    except UNREADABLE:
        return  # What is wrong with it is told by the one who reads it.
    if width * height > LARGEST_PIXELS:
        raise UserError(
            f"{label} has {width} x {height} pixels, but an upload may have {LARGEST_PIXELS // 10**6} million."
        )
