import json
import shutil
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxvae import checkpoint
from jaxvae.errors import UserError
from jaxvae.run import load

TREES = {
    "params": {"encoder": {"kernel": jnp.arange(6.0).reshape(2, 3)}, "log_variance": jnp.zeros(())},
    "train": {"step": jnp.asarray(3), "opt_state": [(jnp.ones(2), None)], "key": jax.random.key(7)},
}


@pytest.fixture
def saved(tmp_path):
    with checkpoint.open_checkpoints(tmp_path) as checkpointer:
        checkpoint.save(checkpointer, 3, TREES, about={"config": {"a": [1, None]}}, objective=1.0)
    return tmp_path


def test_trees_and_json_come_back(saved):
    assert checkpoint.steps(saved) == [3]
    assert checkpoint.names(saved, 3) == {"params", "train"}
    assert checkpoint.read_about(saved, 3)["config"] == {"a": [1, None]}
    params = checkpoint.read_tree(saved, 3, "params")
    assert jax.tree.all(jax.tree.map(np.array_equal, params, TREES["params"]))


def test_optimizer_state_and_key_come_back_in_their_own_structure(saved):
    like = jax.eval_shape(lambda: {**TREES["train"], "key": jax.random.key(0)})
    train = checkpoint.read_like(saved, 3, "train", like)
    assert jax.tree.structure(train) == jax.tree.structure(TREES["train"])
    np.testing.assert_array_equal(jax.random.key_data(train["key"]), jax.random.key_data(TREES["train"]["key"]))


def test_a_checkpoint_of_two_devices_opens_on_one(tmp_path):
    mesh = jax.make_mesh((2,), ("data",), axis_types=(jax.sharding.AxisType.Auto,))
    spread = jax.device_put(jnp.arange(8.0), jax.sharding.NamedSharding(mesh, jax.P("data")))
    with checkpoint.open_checkpoints(tmp_path) as checkpointer:
        checkpoint.save(checkpointer, 1, {"params": spread}, about={}, objective=None)
    code = (
        "import sys, jax; from pathlib import Path; from jaxvae import checkpoint;"
        "x = checkpoint.read_tree(Path(sys.argv[1]), 1, 'params'); print(jax.device_count(), x.sum())"
    )
    environment = {"JAX_NUM_CPU_DEVICES": "1", "JAX_PLATFORMS": "cpu", "PATH": ""}
    out = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, env=environment)
    assert out.stdout.split() == ["1", "28.0"], out.stderr


def test_a_newer_format_is_refused_by_name(disc_run, tmp_path):
    run = shutil.copytree(disc_run, tmp_path / "run")
    path = run / "checkpoints" / "40" / "_CHECKPOINT_METADATA"
    metadata = json.loads(path.read_text())
    metadata["custom_metadata"] |= {"format_version": 99, "versions": {"jaxvae": "9.9"}}
    path.write_text(json.dumps(metadata))
    with pytest.raises(UserError, match=r"format 99, written by jaxvae 9\.9"):
        load(run)


def test_a_damaged_checkpoint_is_named(disc_run, tmp_path):
    run = shutil.copytree(disc_run, tmp_path / "run")
    for path in (run / "checkpoints" / "40" / "params").rglob("*"):
        if path.is_file():
            path.write_bytes(path.read_bytes()[:5])
    with pytest.raises(UserError, match="40 is damaged"):
        load(run)


def test_an_unknown_step_is_answered_with_the_known_ones(disc_run):
    with pytest.raises(UserError, match=r"no checkpoint at step 7; it has 20, 40\."):
        load(disc_run, step=7)
    assert load(disc_run, step=20).info.step == 20
