r"""What an edit could reach: the same faces drawn again with the attribute, and reconstructed.

    python experiments/studies/redrawn_edits.py runs/avatars

Avatars are drawn from parts, so a face can be drawn again with sunglasses, and nothing else changes but what sunglasses
rule out. A model that encodes and decodes such a face does all that an edit of codes should do. It is judged in the
same way as the edits of `python -m jaxvae.attribute measure`: what is missing to 100 % is lost by the model and by the
classifier.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import numpy as np
import python_avatars as pa
import tyro

from jaxvae import UserError
from jaxvae.attribute.source import LabelSource
from jaxvae.cli import run_command, say
from jaxvae.data.images import crop_and_resize
from jaxvae.data.sources import avatars
from jaxvae.data.sources.avatar_drawing import draw
from jaxvae.data.sources.base import SPLITS
from jaxvae.inference import decode_to_images, encode_means
from jaxvae.latents.attributes import LabelledCodes, direction_names
from jaxvae.latents.attributes.edit_quality import Judge, predict_values
from jaxvae.latents.attributes.tables import edits_table
from jaxvae.runs.run import load

Pick = Callable[[tuple[str, ...]], str]
TEST = SPLITS.index("test")


def wear(accessories: tuple[str, ...]) -> Callable[[pa.Avatar, Pick], None]:
    """Returns a change of the eyewear."""

    def change(face: pa.Avatar, pick: Pick) -> None:
        face.accessory = pa.AccessoryType[pick(accessories)]

    return change


def grow(facial_hair: tuple[str, ...]) -> Callable[[pa.Avatar, Pick], None]:
    """Returns a change of the facial hair."""

    def change(face: pa.Avatar, pick: Pick) -> None:
        face.facial_hair = pa.FacialHairType[pick(facial_hair)]

    return change


def dye(colors: tuple[str, ...]) -> Callable[[pa.Avatar, Pick], None]:
    """Returns a change of the hair colour, which takes off a hat."""

    def change(face: pa.Avatar, pick: Pick) -> None:
        if face.top.name in avatars.HATS:
            face.top = pa.HairType[pick(avatars.SHORT_HAIR)]
        face.hair_color = face.facial_hair_color = pa.HairColor[pick(colors)]

    return change


def put_on_hat(face: pa.Avatar, pick: Pick) -> None:
    """Changes the top."""
    face.top = pa.HatType[pick(avatars.HATS)]


def lengthen_hair(face: pa.Avatar, pick: Pick) -> None:
    """Changes the top."""
    face.top = pa.HairType[pick(avatars.LONG_HAIR)]


def smile(face: pa.Avatar, pick: Pick) -> None:
    """Changes the mouth, which stays open or shut."""
    is_open = face.mouth.name in avatars.OPEN_MOUTHS
    face.mouth = pa.MouthType[pick(tuple(m for m in avatars.SMILES if (m in avatars.OPEN_MOUTHS) == is_open))]


def open_mouth(face: pa.Avatar, pick: Pick) -> None:
    """Changes the mouth, which goes on smiling or not."""
    smiles = face.mouth.name in avatars.SMILES
    face.mouth = pa.MouthType[pick(tuple(m for m in avatars.OPEN_MOUTHS if (m in avatars.SMILES) == smiles))]


def pale(face: pa.Avatar, pick: Pick) -> None:
    """Changes the skin."""
    face.skin_color = pa.SkinColor[pick(avatars.SKIN_COLORS[True])]


def close_eyes(face: pa.Avatar, pick: Pick) -> None:
    """Changes the eyes, and takes off sunglasses."""
    face.eyes = pa.EyeType[pick(avatars.CLOSED_EYES)]
    if face.accessory.name in avatars.SUNGLASSES:
        face.accessory = pa.AccessoryType.NONE


def frown(face: pa.Avatar, pick: Pick) -> None:
    """Changes the eyebrows."""
    face.eyebrows = pa.EyebrowType.ANGRY


CHANGES = {
    "sunglasses": wear(avatars.SUNGLASSES), "glasses": wear(avatars.GLASSES), "hat": put_on_hat,
    "beard": grow(avatars.BEARDS), "moustache": grow(avatars.MOUSTACHES), "smile": smile, "open_mouth": open_mouth,
    "long_hair": lengthen_hair, **{name: dye(colors) for name, colors in avatars.HAIR_COLORS.items()},
    "pale_skin": pale, "closed_eyes": close_eyes, "angry": frown,
}  # fmt: skip


def redrawn(number: int, change: Callable[[pa.Avatar, Pick], None], size: int, color: str) -> np.ndarray:
    """Returns a face of the test split, drawn after a change."""
    face, _ = avatars.choose_parts(np.random.default_rng([avatars.SEED, TEST, number]))
    random = np.random.default_rng([avatars.SEED, len(SPLITS), number])
    change(face, lambda names: names[random.integers(len(names))])
    return crop_and_resize(draw(face, size), crop=None, size=size, color=color)


def redrawn_edits(run: Annotated[Path, tyro.conf.Positional], pictures: int = 500) -> None:
    """Prints how often each attribute is seen in the reconstructions of redrawn faces, and others stay.

    Args:
        run: A run on the avatars.
        pictures: Maximum number of faces for each attribute; those that `attribute measure` edits.
    """
    loaded = load(run)
    vae, params, info = loaded
    if info.data["name"] != "avatars":
        raise UserError(
            f"{run} was trained on {info.data['name']}, but only avatars can be drawn again; give a run on avatars."
        )
    labels = LabelSource(run=run)
    source, held_out, classifier = labels.train_and_held_out(loaded, labels.labelled_images(loaded))
    judge = Judge.build(loaded, LabelledCodes.encode(loaded, source), held_out, classifier)
    edits = []
    for name in direction_names(source):
        start, _ = judge.start_and_end(name, False, pictures)
        faces = np.stack([redrawn(number, CHANGES[name], info.shape[0], info.config.data.color) for number in start])
        images = decode_to_images(vae, params, encode_means(vae, params, faces))
        edits.append(judge.compare(name, False, pictures, judge.before, predict_values(classifier, images)))
    say(*edits_table(edits, judge.classifier_report()))
    took, stayed = (np.mean([each[what] for each in edits]) for what in ("took", "stayed"))
    say(f"means: success {took:.1%}, others stayed {stayed:.1%}")


if __name__ == "__main__":
    run_command(redrawn_edits, "redrawn_edits", program="python experiments/studies/redrawn_edits.py")
