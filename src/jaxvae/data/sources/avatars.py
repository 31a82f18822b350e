"""Cartoon faces with true attributes: the data set that needs no download.

Drawn by the package python-avatars (the Avataaars parts by Pablo Stanley) and rendered by resvg-py. The attributes
say what can be seen: hair under a hat has no colour, eyes behind sunglasses are not closed.
"""

import io
from collections.abc import Iterator
from functools import partial

import numpy as np
import python_avatars as pa
import resvg_py
from PIL import Image

from jaxvae.data.config import DataConfig
from jaxvae.data.images import fit
from jaxvae.data.sources.base import SPLITS, Example, Source
from jaxvae.errors import UserError
from jaxvae.system.processes import EveryCore
from jaxvae.system.progress import progress

COUNTS = {"train": 10_000, "validation": 1_000, "test": 1_000}


SEED = 20_150_301  # The data set is one fixed set of faces, whatever the seed of a run.


CANVAS = 264  # Side of the square that python-avatars draws on, of which FACE_BOX holds the head.


FACE_BOX = (34, 14, 230, 210)

SHORT_HAIR = ("SHORT_FLAT", "SHORT_ROUND", "SHORT_WAVED", "CAESAR", "SHORT_CURLY", "SHAGGY", "FRIZZLE", "PIXIE")


LONG_HAIR = ("BOB", "LONG_NOT_TOO_LONG", "STRAIGHT_1", "STRAIGHT_STRAND", "MIA_WALLACE", "BIG_HAIR", "CURVY")


HATS = ("HAT", "WINTER_HAT_1", "WINTER_HAT_2", "WINTER_HAT_3", "TURBAN")


SUNGLASSES = ("SUNGLASSES", "WAYFARERS")


GLASSES = ("PRESCRIPTION_2", "ROUND")


BEARDS = ("BEARD_LIGHT", "BEARD_MEDIUM", "BEARD_MAGESTIC")


MOUSTACHES = ("MOUSTACHE_FANCY", "MOUSTACHE_MAGNUM")


SMILES = ("SMILE", "BIG_SMILE", "TWINKLE")


SERIOUS_MOUTHS = ("SERIOUS", "SAD", "CONCERNED")


OPEN_MOUTHS = ("BIG_SMILE", "CONCERNED")


EYES = ("DEFAULT", "SIDE", "SQUINT", "SURPRISED")


CLOSED_EYES = ("CLOSED", "HAPPY")


HAIR_COLORS = {"dark_hair": ("BLACK", "BROWN_DARK"), "brown_hair": ("BROWN", "AUBURN"),
               "blond_hair": ("BLONDE", "BLONDE_GOLDEN"), "grey_hair": ("SILVER_GRAY",)}  # fmt: skip


SKIN_COLORS = {True: ("PALE", "LIGHT"), False: ("BROWN", "DARK_BROWN", "BLACK")}


CLOTHES = ("SHIRT_CREW_NECK", "SHIRT_V_NECK", "HOODIE", "BLAZER_SHIRT")


CLOTH_COLORS = ("BLACK", "BLUE_02", "GRAY_01", "PASTEL_GREEN", "PINK", "RED")


BACKGROUNDS = ("#BFDDF5", "#F8DCC0", "#C4E6C3", "#DCC8EC", "#FFFFFF")

ATTRIBUTES = ("sunglasses", "glasses", "hat", "beard", "moustache", "smile", "open_mouth", "long_hair",
              *HAIR_COLORS, "pale_skin", "closed_eyes", "angry")  # fmt: skip


def avatars(config: DataConfig) -> Source:
    """The faces as a source of pictures; drawing uses every core."""
    if config.crop is not None:
        raise UserError(
            f"data.crop is {config.crop}, but the avatars are drawn to size; leave it out and set data.size."
        )
    size, every_core = config.size or 64, EveryCore()

    def drawn(split: str) -> Iterator[Example]:
        faces = every_core.in_order(partial(_draw_one, split, size, config.color), range(COUNTS[split]))
        return progress(faces, COUNTS[split], f"drawing avatars, {split}")

    splits = {name: partial(drawn, name) for name in SPLITS}
    origin: dict[str, object] = {"drawn_by": ["python-avatars", "resvg-py"], "seed": SEED, "counts": COUNTS}
    return Source(ATTRIBUTES, {}, splits, origin, every_core.close)


def _draw_one(split: str, size: int, color: str, number: int) -> Example:
    return _draw(np.random.default_rng([SEED, SPLITS.index(split), number]), size, color)


def _draw(random: np.random.Generator, size: int, color: str) -> Example:
    avatar, attributes = choose(random)
    svg = avatar.render()
    left, top, right, _ = FACE_BOX
    # Rendered at the scale at which the head's square is as large as asked, then cut: no resampling.
    width = round(CANVAS * size / (right - left))
    png = resvg_py.svg_to_bytes(svg_string=svg, width=width, background=avatar.background_color, skip_system_fonts=True)
    x, y = round(left * width / CANVAS), round(top * width / CANVAS)
    with Image.open(io.BytesIO(bytes(png))) as image:
        face = image.convert("RGB").crop((x, y, x + size, y + size))
    return Example(fit(face, crop=None, size=size, color=color), attributes)


def choose(random: np.random.Generator) -> tuple[pa.Avatar, tuple[int, ...]]:
    """Draws the parts of a face, and the values of ATTRIBUTES that go with them."""

    def one(names: tuple[str, ...]) -> str:
        return names[random.integers(len(names))]

    def happens(probability: float) -> bool:
        return bool(random.random() < probability)

    seen: dict[str, bool] = dict.fromkeys(ATTRIBUTES, False)
    seen["hat"] = happens(0.2)
    seen["long_hair"] = not seen["hat"] and happens(0.45)
    top = pa.HatType[one(HATS)] if seen["hat"] else pa.HairType[one(LONG_HAIR if seen["long_hair"] else SHORT_HAIR)]
    hair = one(tuple(HAIR_COLORS))
    seen[hair] = not seen["hat"]
    eyewear = random.choice(["sunglasses", "glasses", "none"], p=[0.3, 0.2, 0.5])
    accessory = {"sunglasses": SUNGLASSES, "glasses": GLASSES, "none": ("NONE",)}[eyewear]
    face_hair = random.choice(["beard", "moustache", "none"], p=[0.2, 0.15, 0.65])
    facial_hair = {"beard": BEARDS, "moustache": MOUSTACHES, "none": ("NONE",)}[face_hair]
    seen |= {name: True for name in (eyewear, face_hair) if name != "none"}
    seen["smile"] = happens(0.5)
    mouth = one(SMILES if seen["smile"] else SERIOUS_MOUTHS)
    seen["open_mouth"] = mouth in OPEN_MOUTHS
    eyes_closed = happens(0.25)
    seen["closed_eyes"] = eyes_closed and not seen["sunglasses"]
    seen["angry"] = happens(0.2)
    seen["pale_skin"] = happens(0.5)
    hair_color = pa.HairColor[one(HAIR_COLORS[hair])]
    avatar = pa.Avatar(
        style=pa.AvatarStyle.TRANSPARENT,
        background_color=one(BACKGROUNDS),
        top=top,
        hat_color=pa.ClothingColor[one(CLOTH_COLORS)],
        eyebrows=pa.EyebrowType.ANGRY if seen["angry"] else pa.EyebrowType.DEFAULT,
        eyes=pa.EyeType[one(CLOSED_EYES if eyes_closed else EYES)],
        nose=pa.NoseType.DEFAULT,
        mouth=pa.MouthType[mouth],
        facial_hair=pa.FacialHairType[one(facial_hair)],
        skin_color=pa.SkinColor[one(SKIN_COLORS[seen["pale_skin"]])],
        hair_color=hair_color,
        facial_hair_color=hair_color,
        accessory=pa.AccessoryType[one(accessory)],
        clothing=pa.ClothingType[one(CLOTHES)],
        clothing_color=pa.ClothingColor[one(CLOTH_COLORS)],
    )
    return avatar, tuple(int(seen[name]) for name in ATTRIBUTES)
