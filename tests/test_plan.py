import json
from importlib.util import find_spec
from pathlib import Path

import jax
import pytest
from conftest import tiny_config, train_config

from jaxvae import ELBO, MLP, DevicesConfig
from jaxvae.cli import told
from jaxvae.errors import UserError
from jaxvae.plan import main
from jaxvae.training.planning import estimate as estimates
from jaxvae.training.planning.estimate import Estimate, estimate, largest_batch
from jaxvae.training.planning.program import state_shapes
from jaxvae.training.planning.target import GIB, Target, find_target

CELEBA = Path(__file__).parents[1] / "experiments" / "celeba.py"
CONFIG = tiny_config(model=MLP(hidden=(32,), latent=4), train=train_config(batch_size=32))
SHAPE = (16, 16, 3)
EIGHT = Target("eight", "cpu", jax.devices()[:8], GIB)
SMALL = (
    "--model", "mlp", "--model.hidden", "16", "--train.batch-size", "16", "--shape", "8", "8", "3",
    "--no-largest",
)  # fmt: skip


def planned(capsys, *arguments):
    told(lambda: main([*arguments, *SMALL, "--json"]))
    return json.loads(capsys.readouterr().out)


def test_a_plan_reports_memory_flops_and_communication(capsys):
    result = planned(capsys, "--target", "cpu", "--devices.count", "4")
    assert (result["fits"], result["devices"], result["estimated"]) == (True, 4, False)
    assert result["exchanges"]["all-reduce"]["times"] == 2
    # Forward and backward passes of two dense layers each way: at least 6 operations a weight and picture.
    assert result["flops"] > 6 * 16 * (8 * 8 * 3 * 16 + 16 * 128 + 64 * 16 + 16 * 8 * 8 * 3) * 0.8


def test_a_plan_for_a_gpu_is_labelled_as_an_estimate(capsys):
    assert planned(capsys, "--target", "gpu:80")["estimated"]
    told(lambda: main(["--target", "gpu:80", *SMALL]))
    assert "estimated from the CPU program" in capsys.readouterr().out


@pytest.mark.slow
def test_the_state_size_is_that_of_parameters_optimizer_and_guard():
    found = estimate(CONFIG, SHAPE, 160, EIGHT, DevicesConfig())
    sizes = [leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(state_shapes(CONFIG, SHAPE))]
    assert found.state == sum(sizes)
    shared = estimate(CONFIG, SHAPE, 160, EIGHT, DevicesConfig(fsdp=True, count=4))
    assert shared.state < found.state / 3


@pytest.mark.slow
def test_each_part_of_a_batch_is_counted_once():
    one, parts = (
        estimate(CONFIG, SHAPE, 160, EIGHT, DevicesConfig(count=2, accumulate=count)).flops for count in (1, 4)
    )
    assert one == parts


@pytest.mark.parametrize(
    ("fixed", "each", "refused_above", "expected"),
    [
        (0.2, 0.001, None, 800),  # As it grows between two batches.
        (0.2, 0.001, 700, 648),  # The compiler needs more than that: a tenth less, twice.
        (0.2, 0.01, None, 80),  # The second batch is too large: halved until it fits.
        (0.5, 0.0155, None, 32),  # Nothing larger than the first.
    ],
)
def test_the_largest_batch_is_one_that_was_compiled(monkeypatch, fixed, each, refused_above, expected):
    compiled = []

    def made(config, *_):
        size = config.train.batch_size
        compiled.append(size)
        if refused_above and size > refused_above:
            return None
        return Estimate(size, 0, int((fixed + each * size) * GIB), 1.0, [])

    first = Estimate(32, 0, int((fixed + each * 32) * GIB), 1.0, [])
    monkeypatch.setattr(estimates, "estimate", made)
    found = largest_batch(CONFIG, SHAPE, 160, EIGHT, DevicesConfig(), first, lambda text: None)
    assert found in (*compiled, 32)
    assert found % 8 == 0
    assert 0.6 * expected <= found <= expected


@pytest.mark.parametrize("name", ["v9:2x2", "v5e", "gpu", "gpu:big", "tpu"])
def test_unknown_targets_are_reported(name):
    with pytest.raises(UserError, match=f"unknown --target '{name}'; examples are v5e:2x2"):
        find_target(name)


def test_a_missing_compiler_is_named(monkeypatch):
    from jax.experimental import topologies

    def missing(**_):
        raise RuntimeError("Failed to open libtpu.so: not found")

    monkeypatch.setattr(topologies, "get_topology_desc", missing)
    with pytest.raises(UserError, match=r"pip install 'jaxvae\[tpu-plan\]'"):
        find_target("v5e:2x2")


def test_an_unknown_image_size_must_be_given(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match="give --shape HEIGHT WIDTH CHANNELS"):
        main(["--data.size", "None", "--target", "cpu"])


def test_a_plan_refuses_what_training_refuses():
    with pytest.raises(UserError, match=r"devices\.count is 9, but this machine has 8"):
        estimate(CONFIG, SHAPE, 160, EIGHT, DevicesConfig(count=9))
    summed = tiny_config(model=CONFIG.model, train=CONFIG.train, objective=ELBO(free_nats=1.0))
    with pytest.raises(UserError, match=r"devices\.accumulate is 2, but must be 1 for objective"):
        estimate(summed, SHAPE, 160, EIGHT, DevicesConfig(accumulate=2))


@pytest.mark.tpu
@pytest.mark.parametrize("fsdp", [False, True])
def test_the_celeba_experiment_compiles_for_an_absent_tpu(capsys, fsdp):
    assert find_spec("libtpu"), "install the extra tpu-plan"
    flags = ["--devices.fsdp"] if fsdp else []
    told(lambda: main([str(CELEBA), "--target", "v5e:2x2", "--no-largest", "--json", *flags]))
    result = json.loads(capsys.readouterr().out)
    assert (result["fits"], result["devices"], result["shape"]) == (True, 4, [64, 64, 3])
    parameters = 34_667_000
    if fsdp:
        assert result["state_bytes"] < 4 * parameters / 3
        assert result["exchanges"]["all-gather"]["bytes"] > 0
    else:
        # Parameters, two moments and the running mean; the gradients cross once.
        assert parameters < result["exchanges"]["all-reduce"]["bytes"] < parameters + 10_000
