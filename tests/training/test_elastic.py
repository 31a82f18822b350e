import shutil

import jax
import numpy as np
import pytest
from conftest import metric_lines, tiny_config, train_config

from jaxvae import MLP, DevicesConfig
from jaxvae.runs import checkpoint
from jaxvae.runs.run import load
from jaxvae.training import loop
from jaxvae.training.sharding import place

# A batch that 1, 3 and 8 devices divide.
SETTINGS = train_config(
    steps=8, batch_size=24, log_every=1, validate_every=4, picture_every=100, mixture_components=0,
    ema_decay=0.9,
)  # fmt: skip
CONFIG = tiny_config(model=MLP(hidden=(16,), latent=3), train=SETTINGS)


@pytest.fixture(scope="module")
def runs(disc_set, tmp_path_factory):
    """Whole runs by their devices, each trained once."""
    folder, made = tmp_path_factory.mktemp("elastic"), {}

    def trained(**choices):
        devices = DevicesConfig(**choices)
        if devices not in made:
            made[devices] = folder / str(len(made))
            loop.train(CONFIG, disc_set, made[devices], devices)
        return made[devices]

    return trained


def halved(run, to):
    """The run as if it had died right after its first checkpoint, of step 4."""
    shutil.copytree(run, to)
    for step in checkpoint.steps(to / "checkpoints"):
        if step > 4:
            shutil.rmtree(to / "checkpoints" / str(step))
    return to


@pytest.mark.parametrize(
    ("first", "then"),
    [
        pytest.param({"count": 8}, {"count": 1}, marks=pytest.mark.slow),
        pytest.param({"count": 8}, {"count": 3}, marks=pytest.mark.slow),
        ({"count": 1}, {"count": 8}),
        pytest.param({"count": 3}, {"count": 8, "fsdp": True}, marks=pytest.mark.slow),
        pytest.param({"count": 8, "fsdp": True}, {"count": 1}, marks=pytest.mark.slow),
    ],
)
@pytest.mark.slow
def test_a_run_continues_on_other_devices(runs, disc_set, tmp_path, first, then):
    whole, run = runs(count=1), halved(runs(**first), tmp_path / "run")
    assert len(place(CONFIG, DevicesConfig(**then)).whole.device_set) == then["count"]
    loop.train(CONFIG, disc_set, run, DevicesConfig(**then))
    assert [row["step"] for row in metric_lines(run)] == list(range(1, 9))
    # The same batches and the same noise: the losses of every step are those of one device all along, to rounding.
    ours, expected = ([row["loss"] for row in metric_lines(each)] for each in (run, whole))
    np.testing.assert_allclose(ours, expected, rtol=1e-4)
    for mine, other in zip(jax.tree.leaves(load(run).params), jax.tree.leaves(load(whole).params), strict=True):
        np.testing.assert_allclose(mine, other, atol=1e-3)
