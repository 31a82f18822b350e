"""Cartoon faces with ground-truth attributes: a dataset that needs no download.

The parts come from the python-avatars package (the Avataaars by Pablo Stanley). The attributes describe what is
visible: hair under a hat has no colour, eyes behind sunglasses do not count as closed.
"""

from collections.abc import Iterator
from functools import partial

import numpy as np
import python_avatars as pa

from jaxvae.data.config import DataConfig
from jaxvae.data.images import crop_and_resize
from jaxvae.data.sources.avatar_drawing import draw
from jaxvae.data.sources.base import SPLITS, Example, Source
from jaxvae.errors import UserError
from jaxvae.system.processes import ParallelMap
from jaxvae.system.progress import progress

COUNTS = {"train": 10_000, "validation": 1_000, "test": 1_000}
SEED = 20_150_301  # The dataset is a fixed set of faces, regardless of the seed of a run.

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
    """Draws the faces, in parallel on all cores."""
    if config.crop is not None:
        raise UserError(f"data.crop is {config.crop}, but avatars cannot be cropped; omit it and set data.size.")
    size, workers = config.size or 64, ParallelMap()

    def faces_of(split: str) -> Iterator[Example]:
        faces = workers.map(partial(_draw_one, split, size, config.color), range(COUNTS[split]))
        return progress(faces, COUNTS[split], f"drawing avatars, {split}")

    splits = {name: partial(faces_of, name) for name in SPLITS}
    origin: dict[str, object] = {"drawn_by": ["python-avatars", "resvg-py"], "seed": SEED, "counts": COUNTS}
    return Source(ATTRIBUTES, {}, splits, origin, workers.close)


def _draw_one(split: str, size: int, color: str, number: int) -> Example:
    return _draw(np.random.default_rng([SEED, SPLITS.index(split), number]), size, color)


def _draw(random: np.random.Generator, size: int, color: str) -> Example:
    avatar, attributes = choose_parts(random)
    return Example(crop_and_resize(draw(avatar, size), crop=None, size=size, color=color), attributes)


def choose_parts(random: np.random.Generator) -> tuple[pa.Avatar, tuple[int, ...]]:
    """Samples the parts of a face; returns the avatar and its values of ATTRIBUTES."""

    def pick(names: tuple[str, ...]) -> str:
        return names[random.integers(len(names))]

    def flip(probability: float) -> bool:
        return bool(random.random() < probability)

    visible: dict[str, bool] = dict.fromkeys(ATTRIBUTES, False)
    visible["hat"] = flip(0.2)
    visible["long_hair"] = not visible["hat"] and flip(0.45)
    top = (
        pa.HatType[pick(HATS)]
        if visible["hat"]
        else pa.HairType[pick(LONG_HAIR if visible["long_hair"] else SHORT_HAIR)]
    )
    hair = pick(tuple(HAIR_COLORS))
    visible[hair] = not visible["hat"]
    eyewear = random.choice(["sunglasses", "glasses", "none"], p=[0.3, 0.2, 0.5])
    accessory = {"sunglasses": SUNGLASSES, "glasses": GLASSES, "none": ("NONE",)}[eyewear]
    face_hair = random.choice(["beard", "moustache", "none"], p=[0.2, 0.15, 0.65])
    facial_hair = {"beard": BEARDS, "moustache": MOUSTACHES, "none": ("NONE",)}[face_hair]
    visible |= {name: True for name in (eyewear, face_hair) if name != "none"}
    visible["smile"] = flip(0.5)
    mouth = pick(SMILES if visible["smile"] else SERIOUS_MOUTHS)
    visible["open_mouth"] = mouth in OPEN_MOUTHS
    eyes_closed = flip(0.25)
    visible["closed_eyes"] = eyes_closed and not visible["sunglasses"]
    visible["angry"] = flip(0.2)
    visible["pale_skin"] = flip(0.5)
    hair_color = pa.HairColor[pick(HAIR_COLORS[hair])]
    avatar = pa.Avatar(
        style=pa.AvatarStyle.TRANSPARENT,
        background_color=pick(BACKGROUNDS),
        top=top,
        hat_color=pa.ClothingColor[pick(CLOTH_COLORS)],
        eyebrows=pa.EyebrowType.ANGRY if visible["angry"] else pa.EyebrowType.DEFAULT,
        eyes=pa.EyeType[pick(CLOSED_EYES if eyes_closed else EYES)],
        nose=pa.NoseType.DEFAULT,
        mouth=pa.MouthType[mouth],
        facial_hair=pa.FacialHairType[pick(facial_hair)],
        skin_color=pa.SkinColor[pick(SKIN_COLORS[visible["pale_skin"]])],
        hair_color=hair_color,
        facial_hair_color=hair_color,
        accessory=pa.AccessoryType[pick(accessory)],
        clothing=pa.ClothingType[pick(CLOTHES)],
        clothing_color=pa.ClothingColor[pick(CLOTH_COLORS)],
    )
    return avatar, tuple(int(visible[name]) for name in ATTRIBUTES)
