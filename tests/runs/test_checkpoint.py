import errno
import gc
import json
import re
import shutil
import subprocess
import sys
import time

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from conftest import tiny_config

from jaxvae.errors import UserError
from jaxvae.runs import checkpoint
from jaxvae.runs.run import load
from jaxvae.system.checksums import FILE_NAME, write_checksums
from jaxvae.training.loop import train

TREES = {
    "params": {"encoder": {"kernel": jnp.arange(6.0).reshape(2, 3)}, "log_variance": jnp.zeros(())},
    "train": {"step": jnp.asarray(3), "opt_state": [(jnp.ones(2), None)], "key": jax.random.key(7)},
}


@pytest.fixture
def saved(tmp_path):
    with checkpoint.open_checkpoints(tmp_path) as checkpointer:
        checkpoint.save(checkpointer, 3, TREES, about={"config": {"a": [1, None]}}, objective=1.0)
    return tmp_path


def test_trees_and_json_are_restored(saved):
    assert checkpoint.steps(saved) == [3]
    assert checkpoint.tree_names(saved, 3) == {"params", "train"}
    assert checkpoint.read_about(saved, 3)["config"] == {"a": [1, None]}
    params = checkpoint.read_tree(saved, 3, "params")
    assert jax.tree.all(jax.tree.map(np.array_equal, params, TREES["params"]))


def test_optimizer_state_and_key_are_restored_in_their_own_structure(saved):
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
        "import sys, jax; from pathlib import Path; from jaxvae.runs import checkpoint;"
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
    write_checksums(run / "checkpoints" / "40")
    with pytest.raises(UserError, match=r"format 99, written by jaxvae 9\.9"):
        load(run)


def flip(folder):
    """Turns one bit of the largest file round."""
    path = max((path for path in folder.rglob("*") if path.is_file()), key=lambda path: path.stat().st_size)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def cut(folder):
    """Cuts off what follows the first bytes of the parameters' files, in a checkpoint without sums."""
    (folder / FILE_NAME).unlink()
    for path in (folder / "params").rglob("*"):
        if path.is_file():
            path.write_bytes(path.read_bytes()[:5])


def test_a_damaged_checkpoint_falls_back_to_the_previous_one(disc_run, tmp_path, caplog):
    run = shutil.copytree(disc_run, tmp_path / "run")
    flip(run / "checkpoints" / "40")
    assert load(run).info.step == 20
    assert re.search("40 is damaged: .* does not match its checksum.*step 20", caplog.text)
    with pytest.raises(UserError, match="40 is damaged"):
        load(run, step=40)
    flip(run / "checkpoints" / "20")
    with pytest.raises(UserError, match="20 is damaged"):
        load(run)


@pytest.mark.parametrize("damage", [flip, cut])
@pytest.mark.slow
def test_training_resumes_from_the_checkpoint_before_a_damaged_one(disc_run, disc_set, tmp_path, caplog, damage):
    run = shutil.copytree(disc_run, tmp_path / "run")
    damage(run / "checkpoints" / "40")
    train(tiny_config(), disc_set, run)
    assert "damaged" in caplog.text
    assert (run / "damaged-40").is_dir()
    assert jax.tree.all(jax.tree.map(np.array_equal, load(disc_run).params, load(run).params))


@pytest.mark.parametrize("kind", [MemoryError, PermissionError, jax.errors.JaxRuntimeError])
def test_insufficient_memory_or_permissions_do_not_mark_a_checkpoint_as_damaged(saved, monkeypatch, kind):
    def failing(*_):
        raise kind("not now")

    monkeypatch.setattr(checkpoint.ocp, "load_checkpointables", failing)
    with pytest.raises(kind, match="not now"):
        checkpoint.read_tree(saved, 3, "params")


def test_training_does_not_restart_if_every_checkpoint_is_damaged(disc_run, disc_set, tmp_path):
    run = shutil.copytree(disc_run, tmp_path / "run")
    for step in ("20", "40"):
        flip(run / "checkpoints" / step)
    with pytest.raises(UserError, match=r"no checkpoint in .* can be read; --fresh"):
        train(tiny_config(), disc_set, run)
    assert (run / "metrics.jsonl").read_text() == (disc_run / "metrics.jsonl").read_text()


@pytest.mark.parametrize(
    "error", [OSError(errno.ENOSPC, "No space left on device"), ValueError("... No space left ...")]
)
def test_a_full_disk_is_reported_with_what_is_kept(disc_set, tmp_path, monkeypatch, error):
    original = checkpoint.save

    def failing(checkpointer, step, *rest, **named):
        if step == 40:
            raise error
        original(checkpointer, step, *rest, **named)

    monkeypatch.setattr(checkpoint, "save", failing)
    with pytest.raises(UserError, match=r"cannot write to .*: the disk is full; the checkpoint of step 20 is intact"):
        train(tiny_config(), disc_set, tmp_path / "run")
    assert load(tmp_path / "run").info.step == 20


def test_an_unknown_step_is_reported_with_the_known_ones(disc_run):
    with pytest.raises(UserError, match=r"no checkpoint at step 7; it has 20, 40\."):
        load(disc_run, step=7)
    assert load(disc_run, step=20).info.step == 20


def test_the_folders_inside_a_run_open_it(disc_run, tmp_path):
    folder = disc_run / "checkpoints"
    first, last = checkpoint.steps(folder)[0], checkpoint.steps(folder)[-1]
    assert first < last
    assert load(folder).info[:2] == (disc_run, last)
    assert load(folder / str(first)).info[:2] == (disc_run, first)
    assert load(folder / str(first), step=last).info[:2] == (disc_run, last)
    # A run may have any name.
    shutil.copytree(disc_run, tmp_path / "checkpoints" / "7")
    assert load(tmp_path / "checkpoints" / "7").info.run == tmp_path / "checkpoints" / "7"


@pytest.fixture
def many(tmp_path):
    """Sixty arrays that Orbax reads together; one more, which is read first, is wrong in a test."""
    trees = {"params": {"bias": jnp.ones(3)} | {f"kernel{i}": jnp.ones((300, 300)) for i in range(60)}}
    with checkpoint.open_checkpoints(tmp_path) as checkpointer:
        checkpoint.save(checkpointer, 1, trees, about={}, objective=None)
    return tmp_path


@pytest.fixture
def late(monkeypatch):
    """Collects what is raised where nothing can catch it, and would be printed with a traceback; expects nothing."""
    collected = []
    monkeypatch.setattr(sys, "unraisablehook", collected.append)
    yield
    time.sleep(0.2)
    gc.collect()
    assert collected == []


@pytest.mark.usefixtures("late")
def test_a_missing_array_is_reported_once(many):
    metadata = many / "1" / "params" / "_METADATA"
    metadata.write_text(metadata.read_text().replace("bias", "../bias"))
    with pytest.raises(UserError, match="1 is damaged"):
        checkpoint.read_tree(many, 1, "params")


@pytest.mark.usefixtures("late")
def test_another_shape_is_reported_once(many):
    like = jax.eval_shape(lambda: checkpoint.read_tree(many, 1, "params"))
    like["bias"] = jax.ShapeDtypeStruct((2,), jnp.float32)
    with pytest.raises(UserError, match="1 is damaged"):
        checkpoint.read_like(many, 1, "params", like)
