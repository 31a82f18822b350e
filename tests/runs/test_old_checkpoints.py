import shutil
from pathlib import Path

import jax
import numpy as np
import pytest
from conftest import metric_lines, tiny_config, train_config

from jaxvae import MLP
from jaxvae.runs import checkpoint
from jaxvae.runs.run import completed, load, read_config
from jaxvae.training import loop

# Each was written when its format was the newest, by a run of 20 steps on the discs; the checkpoint of step 10 is kept.
KEPT = Path(__file__).parents[1] / "checkpoints"
TRAIN = train_config(steps=20, validate_every=10, fitted_flow_steps=20)
CONFIG = tiny_config(model=MLP(hidden=(8,), latent=3), train=TRAIN)


FORMATS = sorted(path.name for path in KEPT.iterdir())


@pytest.fixture(params=FORMATS)
def old(request, tmp_path):
    return shutil.copytree(KEPT / request.param, tmp_path / request.param)


def test_a_checkpoint_of_every_format_opens(old):
    checkpoint.verify(old / "checkpoints", 10)
    assert checkpoint.read_about(old / "checkpoints", 10)["format_version"] == int(old.name.removeprefix("format-"))
    vae, params, info = load(old)
    assert (info.step, info.config, read_config(old)) == (10, CONFIG, CONFIG)
    picture = vae.decode(params, vae.prior(params).sample(jax.random.key(0), (1,))).mean
    assert np.isfinite(picture).all()


@pytest.mark.parametrize(
    "old", [FORMATS[0], *(pytest.param(name, marks=pytest.mark.slow) for name in FORMATS[1:])], indirect=True
)
def test_a_run_of_every_format_continues(old, disc_set):
    before = metric_lines(old, "validation")
    loop.train(CONFIG, disc_set, old)
    assert completed(old) == 20
    # The losses after step 10 are those of the program that wrote it, to the rounding of other versions.
    after = metric_lines(old, "validation")
    assert [row["step"] for row in after] == [10, 20]
    np.testing.assert_allclose(after[1]["elbo_nats"], before[1]["elbo_nats"], rtol=1e-4)
