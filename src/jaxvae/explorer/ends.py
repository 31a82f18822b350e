"""Faces chosen in the explorer: images of the dataset, uploads, samples, and what is made of them."""

import hashlib
import io
import re
import tempfile
from collections import OrderedDict
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote, unquote

import numpy as np
from jaxtyping import Float, Int, UInt8
from PIL import Image

from jaxvae.data.images import UNREADABLE
from jaxvae.data.select import by_index, by_query, data_set, from_file
from jaxvae.errors import UserError
from jaxvae.explorer import moves
from jaxvae.explorer.faces import Exchanged, Face, Mix, Move
from jaxvae.explorer.requests import DrawRequest, parse_draw
from jaxvae.labels import UNKNOWN
from jaxvae.runs.run import Loaded

MAX_UPLOADS = 32  # The least recently used upload is evicted first.
MAX_UPLOAD_BYTES, MAX_UPLOAD_PIXELS = 20_000_000, 50_000_000
MAX_LABEL_LENGTH = 60


class End(NamedTuple):
    """A face and its code.

    `name` identifies it in requests, `label` is for people; an `original` is an image that the model only reconstructs.
    """

    name: Face
    label: str
    image: UInt8[np.ndarray, "h w c"]
    row: Float[np.ndarray, " d"]
    original: bool = False


def draw_name(request: DrawRequest, index: int) -> str:
    """Returns the name of image `index` of a draw; `parse_draw_name` reads it."""
    wanted = "".join(f"&{quote(text, safe='=')}" for text in request.wanted)
    return f"draw:{request.prior}:{request.seed}:{request.temperature:g}:{index}{wanted}"


class Uploads:
    """The last MAX_UPLOADS uploaded images, in memory, at the model's input shape."""

    def __init__(self, loaded: Loaded) -> None:
        self.loaded = loaded
        self.ends: OrderedDict[str, End] = OrderedDict()

    def add(self, name: str, content: bytes) -> End:
        """Adds an image file, cropped and resized; raises UserError if it is too large, damaged or not an image."""
        label = Path(name.replace("\\", "/")).name[-MAX_LABEL_LENGTH:] or "the upload"
        _refuse_large(label, content)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "upload"
            path.write_bytes(content)
            try:
                image = from_file(path, self.loaded.info.data)
            except UserError as error:
                raise UserError(str(error).replace(str(path), label)) from error
        key = f"upload:{hashlib.sha256(content).hexdigest()[:16]}"
        self.ends[key] = End(key, label, image, moves.code_row(self.loaded, image), original=True)
        while len(self.ends) > MAX_UPLOADS:
            self.ends.popitem(last=False)
        return self.ends[key]

    def get(self, name: str) -> End:
        """Returns an upload; raises UserError if it has been evicted, or came from an earlier start of the explorer."""
        if name not in self.ends:
            raise UserError(
                "uploads are kept in memory until the explorer stops, and this one is no longer there; upload it again."
            )
        self.ends.move_to_end(name)
        return self.ends[name]


def find_in_dataset(loaded: Loaded, which: str) -> End:
    """Finds an image of the dataset: `test:12`, or the first test image that matches an attribute query.

    File paths are rejected: the page may only read what was uploaded.

    Raises:
        UserError: For anything else.
    """
    data = loaded.info.data
    if (place := place_in_dataset(which, data)) is None:
        query = f", a query such as {data['attributes'][0]}=1," if data["attributes"] else ""
        raise UserError(f"no image is named {which!r}; use test:NUMBER{query} or upload one.")
    image = by_index(*place, data)
    return End(which, which, image, moves.code_row(loaded, image), original=True)


def place_in_dataset(which: str, data: dict[str, Any]) -> tuple[str, int] | None:
    """Returns the split and the index of an image of the dataset; None for a name of another kind."""
    if which.startswith(("draw:", "upload:")):
        return None
    if match := re.fullmatch(r"(\w+):(\d{1,9})", which):
        return match[1], int(match[2])
    return ("test", by_query(which, data)) if "=" in which else None


def known_attributes(face: Face, data: dict[str, Any]) -> Int[np.ndarray, " a"]:
    """Returns the attributes of an image of the dataset, `UNKNOWN` for those of any other face."""
    place = place_in_dataset(face, data) if isinstance(face, str) else None
    if place is None:
        return np.full(len(data["attributes"]), UNKNOWN)
    split, index = place
    return np.asarray(data_set(data).split(split).attributes[index])


def parse_draw_name(name: str) -> tuple[DrawRequest, int]:
    """Parses a name into the draw and the index of the image in it; raises UserError if it is malformed."""
    match = re.fullmatch(r"draw:(\w+):(\d{1,10}):(\d+(?:\.\d+)?):(\d{1,3})((?:&[^&=]+=[^&=]+)*)", name)
    if match is None or int(match[4]) >= moves.DRAW_SIZE:
        raise UserError(f"{name!r} is not the name of a draw.")
    wanted: dict[str, str] = {}
    for pair in match[5].split("&")[1:]:
        attribute, value = pair.split("=")
        wanted[unquote(attribute)] = unquote(value)
    fields = {"prior": match[1], "seed": int(match[2]), "temperature": float(match[3]), "wanted": wanted}
    return parse_draw(fields), int(match[4])


def describe(face: Move | Mix | Exchanged) -> str:
    """Returns the label of a face that is made of others."""
    if isinstance(face, Mix):
        return f"mix of {len(face.parts)}"
    if isinstance(face, Exchanged):
        return ", ".join(f"{name}={value}" for name, value in face.wanted)
    edits = f", {len(face.amounts)} change{'s' * (len(face.amounts) > 1)}" if face.amounts else ""
    return f"walk, {100 * face.degree:.0f} %{edits}"


def _refuse_large(label: str, content: bytes) -> None:
    if len(content) > MAX_UPLOAD_BYTES:
        raise UserError(
            f"{label} is {len(content) / 1e6:.3g} MB; the limit for uploads is {MAX_UPLOAD_BYTES / 1e6:.3g} MB."
        )
    try:
        # Reads only the header: a small file may decompress to more pixels than fit in memory.
        with Image.open(io.BytesIO(content)) as image:
            width, height = image.size
    except UNREADABLE:
        return  # Reported when the file is decoded.
    if width * height > MAX_UPLOAD_PIXELS:
        raise UserError(
            f"{label} has {width} x {height} pixels; the limit for uploads is {MAX_UPLOAD_PIXELS // 10**6} million."
        )
