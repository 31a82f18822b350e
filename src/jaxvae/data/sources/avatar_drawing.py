"""Draws an avatar from layers, each of which is rendered once and kept.

python-avatars puts the SVG of a face together from parts, and resvg-py renders it. Both take milliseconds, and twelve
thousand faces share about a thousand different parts: pasting rendered parts over one another is ten times as fast.
"""

import io
import xml.etree.ElementTree as ET
from enum import Enum
from functools import lru_cache

import python_avatars as pa
import resvg_py
from PIL import Image

CANVAS = 264  # Width of the canvas of python-avatars.
FACE_BOX = (34, 14, 230, 210)  # The part of the canvas that contains the head.
LAYERS_KEPT = 2000  # More than the faces need: about 1000, which take 4 MB at 64x64 and 60 MB at 256x256.
NOTHING = dict.fromkeys(("top", "eyebrows", "eyes", "nose", "mouth", "facial_hair", "accessory", "clothing"))


def draw(avatar: pa.Avatar, size: int) -> Image.Image:
    """Draws the head of `avatar` at size x size, in RGB."""
    top = {"top": avatar.top}
    color = {"hat_color": avatar.hat_color} if isinstance(avatar.top, pa.HatType) else {"hair_color": avatar.hair_color}
    beard = {"facial_hair": avatar.facial_hair, "facial_hair_color": avatar.facial_hair_color}
    on_the_head = {
        "Top": top | color,
        "Facial-Hair": top | beard,
        "Accessory": top | {"accessory": avatar.accessory},
    }
    layers = [
        _layer(size, "Body", skin_color=avatar.skin_color),
        _layer(size, "Clothing", clothing=avatar.clothing, clothing_color=avatar.clothing_color),
        _layer(size, "Mouth", mouth=avatar.mouth),
        _layer(size, "Nose", nose=avatar.nose),
        _layer(size, "Eyes", eyes=avatar.eyes),
        _layer(size, "Eyebrow", eyebrows=avatar.eyebrows),
        *(_layer(size, group, **on_the_head[group]) for group in _order_on_the_head(avatar.top)),
    ]
    face = Image.new("RGBA", (size, size), avatar.background_color)
    for image, corner in layers:
        face.alpha_composite(image, corner)
    return face.convert("RGB")


@lru_cache(LAYERS_KEPT)
def _layer(size: int, group: str, **parts: Enum | str) -> tuple[Image.Image, tuple[int, int]]:
    """Renders one group of an avatar that has only `parts`; returns what is visible of it, and its corner."""
    svg = _only(group, pa.Avatar(**(NOTHING | parts)).render())
    left, top, right, _ = FACE_BOX
    # Render at the scale that gives FACE_BOX the requested size, then crop: no resampling.
    width = round(CANVAS * size / (right - left))
    png = resvg_py.svg_to_bytes(svg_string=svg, width=width, skip_system_fonts=True)
    x, y = round(left * width / CANVAS), round(top * width / CANVAS)
    with Image.open(io.BytesIO(bytes(png))) as image:
        layer = image.convert("RGBA").crop((x, y, x + size, y + size))
    visible = layer.getbbox() or (0, 0, 1, 1)
    return layer.crop(visible), visible[:2]


def _only(group: str, svg: str) -> str:
    """Removes everything that is not in `group`, apart from definitions."""
    root = ET.fromstring(svg)  # noqa: S314 - it comes from python-avatars
    kept = next(element for element in root.iter() if element.get("id", "").endswith(f"_{group}"))
    _prune(root, kept)
    return ET.tostring(root, encoding="unicode")


def _prune(element: ET.Element, kept: ET.Element) -> None:
    for child in list(element):
        if child is kept or child.tag.endswith("}defs"):
            continue
        if kept in child.iter():
            _prune(child, kept)
        else:
            element.remove(child)


@lru_cache
def _order_on_the_head(top: pa.HairType | pa.HatType) -> tuple[str, ...]:
    """Returns the groups of `top` from back to front: some hair hangs over glasses, other hair lies under a beard."""
    names = {"Facial-Hair": "Facial-Hair", "Accessory": "Accessory", "Hair-Color": "Top", "Fabric-Color": "Top"}
    root = ET.fromstring(pa.Avatar(**(NOTHING | {"top": top})).render())  # noqa: S314 - it comes from python-avatars
    endings = (element.get("id", "").rpartition("_")[2] for element in root.iter())
    return tuple(names[ending] for ending in endings if ending in names)
