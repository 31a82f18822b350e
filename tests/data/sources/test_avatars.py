import io

import numpy as np
import pytest
import python_avatars as pa
import resvg_py
from PIL import Image

from jaxvae import DataConfig
from jaxvae.data.sources import avatars
from jaxvae.data.sources.avatar_drawing import draw
from jaxvae.data.sources.avatars import ATTRIBUTES, HATS, LONG_HAIR, SHORT_HAIR, choose_parts
from jaxvae.errors import UserError


def test_a_face_is_the_same_each_time_and_faces_differ():
    first, again = (avatars._draw(np.random.default_rng(1), 64, "keep") for _ in range(2))
    other = avatars._draw(np.random.default_rng(2), 64, "keep")
    np.testing.assert_array_equal(first.image, again.image)
    assert first.attributes == again.attributes
    assert (first.image.shape, first.image.dtype) == ((64, 64, 3), np.uint8)
    assert not np.array_equal(first.image, other.image)


def test_layers_give_the_face_that_is_rendered_whole():
    tops = [pa.HairType[name] for name in SHORT_HAIR + LONG_HAIR] + [pa.HatType[name] for name in HATS]
    for seed, top in enumerate(tops):
        avatar, _ = choose_parts(np.random.default_rng(seed))
        avatar.top, avatar.facial_hair = top, pa.FacialHairType.BEARD_MAGESTIC
        avatar.accessory = (pa.AccessoryType.ROUND, pa.AccessoryType.SUNGLASSES)[seed % 2]
        png = resvg_py.svg_to_bytes(
            svg_string=avatar.render(), width=264, background=avatar.background_color, skip_system_fonts=True
        )
        with Image.open(io.BytesIO(bytes(png))) as image:  # At 196, the scale of the drawing is that of the canvas.
            whole = np.asarray(image.convert("RGB").crop((34, 14, 230, 210))).astype(int)
        difference = np.abs(np.asarray(draw(avatar, 196)).astype(int) - whole)
        assert difference.max() <= 6, top  # Rounded to eight bits once for each layer.
        assert difference.mean() < 0.2, top


def test_attributes_match_the_drawing_and_are_balanced():
    rows = []
    for seed in range(800):
        avatar, values = choose_parts(np.random.default_rng(seed))
        seen = dict(zip(ATTRIBUTES, values, strict=True))
        rows.append(values)
        assert seen["hat"] == isinstance(avatar.top, pa.HatType)
        assert seen["sunglasses"] == (avatar.accessory in (pa.AccessoryType.SUNGLASSES, pa.AccessoryType.WAYFARERS))
        assert seen["beard"] == avatar.facial_hair.name.startswith("BEARD")
        assert not (seen["sunglasses"] and (seen["glasses"] or seen["closed_eyes"]))
        colors = ("dark_hair", "brown_hair", "blond_hair", "grey_hair")
        assert sum(seen[name] for name in colors) == (0 if seen["hat"] else 1)
    assert len(ATTRIBUTES) >= 10
    shares = np.mean(rows, axis=0)
    assert (shares > 0.1).all()
    assert (shares < 0.6).all()


def test_sunglasses_darken_the_eyes_and_leave_the_shoulders(monkeypatch):
    def face(accessory):
        avatar = pa.Avatar(
            top=pa.HairType.SHORT_FLAT, clothing=pa.ClothingType.HOODIE, accessory=accessory, background_color="#FFFFFF"
        )
        monkeypatch.setattr(avatars, "choose_parts", lambda random: (avatar, ()))
        return avatars._draw(np.random.default_rng(0), 64, "keep").image.astype(float)

    without, with_them = face(pa.AccessoryType.NONE), face(pa.AccessoryType.SUNGLASSES)
    changed = np.abs(without - with_them).max(axis=2) > 30
    assert changed[20:45].any()
    assert not changed[50:].any()


@pytest.mark.parametrize(("field", "value"), [("crop", 100), ("raw", "/pictures")])
def test_fields_that_drawing_does_not_use_are_refused(field, value):
    with pytest.raises(UserError, match=f"data.{field} is '?{value}"):
        avatars.avatars(DataConfig(**{field: value}))


def test_the_requested_size_and_colour_are_drawn():
    image = avatars._draw(np.random.default_rng(0), 33, "grey").image
    assert image.shape == (33, 33, 1)
    source = avatars.avatars(DataConfig(size=33))
    assert set(source.splits) == {"train", "validation", "test"}
