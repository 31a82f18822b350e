import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from jaxvae import DataConfig
from jaxvae.data.prepare import prepare
from jaxvae.data.prepared import Prepared
from jaxvae.data.summary import FEW_IMAGES, advise, describe


def test_counts_shape_range_classes_and_frequencies_are_reported(disc_set):
    text = describe(disc_set)
    train = disc_set.split("train")
    assert "160 train, 50 validation, 21 test; 16x16, colour, values 30 to 230" in text
    assert f"red {train.attributes[:, 0].mean():.0%}, high {train.attributes[:, 1].mean():.0%}" in text
    small, medium, large = (np.mean(train.attributes[:, 2] == value) for value in range(3))
    assert f"width       small {small:.0%}, medium {medium:.0%}, large {large:.0%}" in text
    assert str(disc_set.path) in text


def told(count, **origin):
    return advise(Prepared(Path(), {"splits": {"train": {"n": count}}, "origin": origin}))


def test_few_images_are_remarked_on_and_many_are_not():
    (sentence,) = told(240)
    assert sentence.startswith("240 training images are few")
    for flag in (
        "--data.flip",
        "--data.shift",
        "--model.latent",
        "--train.steps",
        "--train.patience",
        "your-pictures.md",
    ):
        assert flag in sentence
    assert told(FEW_IMAGES) == []
    (sentence,) = advise(
        Prepared(Path(), {"splits": {"train": {"n": 1}}, "origin": {}}), flipped=True, shifted=True, patient=True
    )
    assert "--data." not in sentence
    assert "--train.patience" not in sentence


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize(
    ("size", "options", "share"),
    [((40, 20), {}, 0.5), ((20, 40), {}, 0.5), ((21, 20), {}, 0.048), ((40, 20), {"crop": 8}, None)],
)
def test_what_the_square_omits_of_the_median_image_is_recorded(tmp_path, packed, size, options, share):
    folder = tmp_path / "images"
    folder.mkdir()
    for i in range(5):
        Image.new("RGB", (10, 10) if i < 2 else size, (50 * i, 0, 0)).save(folder / f"{i}.png")
    if packed:
        shutil.make_archive(str(folder), "zip", folder)
    source = f"{folder}.zip" if packed else str(folder)
    prepared = prepare(DataConfig(source=source, size=8, root=str(tmp_path / "data"), **options))
    assert prepared.info["origin"].get("cut_away") == share
    assert any("omits 50% of the median image" in each for each in advise(prepared)) == (share == 0.5)
