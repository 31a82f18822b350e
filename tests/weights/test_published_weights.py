"""`make test-weights WEIGHTS=FOLDER`: published weights reconstruct a photograph.

FOLDER has taef2_encoder.pth and taef2_decoder.pth of https://github.com/madebyollin/taesd.
"""

import os
from pathlib import Path

import numpy as np
import pytest
from skimage.data import astronaut

from jaxvae.interchange import import_model
from jaxvae.library import load

pytestmark = pytest.mark.weights
TOP, LEFT, SIDE = 30, 180, 96  # A face.


def test_taef2_reconstructs_a_photograph(tmp_path):
    folder = os.environ.get("WEIGHTS")
    assert folder, "WEIGHTS names no folder; as in make test-weights WEIGHTS=FOLDER"
    run = load(import_model(Path(folder), tmp_path / "run", size=(SIDE,)))
    photograph = astronaut()[TOP : TOP + SIDE, LEFT : LEFT + SIDE][None]
    code, image = run.encode(photograph), run.reconstruct(photograph)
    decibels = -10 * np.log10(np.mean(np.square(image / 255.0 - photograph / 255.0)))
    print(f"\n\n  PSNR {decibels:.2f} dB, standard deviation of the code {code.std():.3f}")
    assert code.shape == (1, 12, 12, 32)
    assert 0.9 < code.std() < 1.1
    assert decibels >= 27.7
