"""Every file of a run and of a prepared set replaced by a pipe, a device, a folder, 40 GB of nothing, or garbage."""

import os
import shutil
import signal
from contextlib import contextmanager
from pathlib import Path

import pytest
from conftest import tiny_config, train_config
from corpus import sentence, untrained_run

from jaxvae import MLP
from jaxvae.data.prepared import open_prepared
from jaxvae.encode import encode
from jaxvae.errors import UserError
from jaxvae.evaluate import evaluate
from jaxvae.runs import checkpoint
from jaxvae.runs.run import completed
from jaxvae.sample import sample
from jaxvae.training import loop

SECONDS = 20  # Much longer than a refusal takes, and much shorter than for ever.


@contextmanager
def time_limit():
    def ring(*_):
        raise AssertionError(f"not answered within {SECONDS} s")

    before = signal.signal(signal.SIGALRM, ring)
    signal.alarm(SECONDS)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def sparse(path):
    with path.open("wb") as file:
        file.truncate(40 * 10**9)


REPLACEMENTS = {
    "pipe": os.mkfifo,
    "device": lambda path: path.symlink_to("/dev/zero"),
    "folder": lambda path: path.mkdir(),
    "40 GB": sparse,
    "garbage": lambda path: path.write_bytes(bytes(range(256)) * 40),
    "deep JSON": lambda path: path.write_bytes(b"[" * 100_000),
    "empty": lambda path: path.touch(),
}


def replace(path, kind):
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
    REPLACEMENTS[kind](path)


@pytest.fixture(scope="module")
def whole(disc_set, tmp_path_factory):
    return untrained_run(tmp_path_factory.mktemp("runs") / "run", disc_set)


@pytest.fixture
def run(whole, tmp_path_factory):
    run = tmp_path_factory.mktemp("runs") / "run"
    shutil.copytree(whole, run)
    return run


def config(steps):
    settings = train_config(steps=steps, validate_every=2, picture_every=100, log_every=1, mixture_components=0)
    return tiny_config(model=MLP(hidden=(4,), latent=2), train=settings)


@pytest.fixture(scope="module")
def trained(disc_set, tmp_path_factory):
    run = tmp_path_factory.mktemp("runs") / "trained"
    loop.train(config(2), disc_set, run)
    return run


@pytest.mark.parametrize(
    "kind",
    [kind if kind in ("pipe", "garbage") else pytest.param(kind, marks=pytest.mark.slow) for kind in REPLACEMENTS],
)
@pytest.mark.parametrize(
    "name",
    ["config.json", "metrics.jsonl", ".owner", "config.json.partial", "metrics.jsonl.partial", "tensorboard", "samples",
     "checkpoints"],
)  # fmt: skip
def test_a_replaced_file_of_a_run_is_refused_or_does_not_affect_training(trained, disc_set, tmp_path, name, kind):
    run = shutil.copytree(trained, tmp_path / "run")
    replace(run / name, kind)
    told = None
    with time_limit():
        try:
            loop.train(config(4), disc_set, run)
        except UserError as error:
            told = str(error)
    if told is None:
        assert kind in ("folder", "40 GB", "garbage", "deep JSON", "empty")
        assert completed(run) == 4
    else:
        assert len(told.splitlines()) == 1
        assert str(run) in told


CHECKPOINT = ["_CHECKPOINT_METADATA", "checksums.json", ".checksums.json.partial", "params", "params/_METADATA",
              "params/manifest.ocdbt", "params/d"]  # fmt: skip


@pytest.mark.parametrize("kind", REPLACEMENTS)
@pytest.mark.parametrize("name", CHECKPOINT)
def test_a_replaced_checkpoint_file_is_reported(call, run, name, kind):
    replace(run / "checkpoints" / "3" / name, kind)
    with time_limit():
        result = call(sample, run, "--out", "x.png", "--n", 1)
    if name == ".checksums.json.partial":  # What a killed process leaves; nobody reads it.
        assert result[0] == 0
    else:
        sentence(result, "checkpoint")


@pytest.mark.parametrize("kind", REPLACEMENTS)
@pytest.mark.parametrize("name", ["dataset.json", "test.npy", "test.attributes.npy", "verified.json"])
def test_a_replaced_file_of_a_prepared_dataset_is_reported(disc_set, tmp_path, name, kind):
    folder = tmp_path / "set"
    shutil.copytree(disc_set.path, folder)
    replace(folder / name, kind)
    with time_limit():
        if name == "verified.json":
            open_prepared(folder).split("test")
            return
        with pytest.raises(UserError) as caught:
            open_prepared(folder).split("test")
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize("command", [encode, evaluate])
def test_changed_pixels_are_refused(call, disc_set, tmp_path_factory, command):
    place = tmp_path_factory.mktemp("place")
    prepared = open_prepared(shutil.copytree(disc_set.path, place / "set"))
    run = untrained_run(place / "run", prepared)
    path = prepared.path / "test.npy"
    content = bytearray(path.read_bytes())
    content[-100:] = bytes(255 - value for value in content[-100:])
    path.write_bytes(content)
    sentence(call(command, run), "test.npy was changed after it was prepared")
    with pytest.raises(UserError, match=r"test\.npy was changed"):
        prepared.split("test")


def test_touched_but_unchanged_files_are_read(disc_set, tmp_path):
    prepared = open_prepared(shutil.copytree(disc_set.path, tmp_path / "set"))
    (prepared.path / "test.npy").touch()
    assert len(prepared.split("test").images) == 21
    (prepared.path / "verified.json").unlink()
    assert len(prepared.split("test").images) == 21


def test_a_checkpoint_killed_while_being_sealed_is_complete(run, call):
    step = run / "checkpoints" / "3"
    shutil.copy(step / "checksums.json", step / ".checksums.json.partial")
    (step / "checksums.json").unlink()
    checkpoint.write_missing_checksums(run / "checkpoints")  # What the next start does; it may be killed there, too.
    shutil.copy(step / "checksums.json", step / ".checksums.json.partial")
    assert call(sample, run, "--out", "x.png", "--n", 1)[0] == 0
    assert Path("x.png").exists()


@pytest.mark.parametrize("folder", ["samples/step-000020", "checkpoints/10", "checkpoints/3/params"])
def test_training_does_not_write_through_nested_links(run, disc_set, tmp_path, folder):
    outside = tmp_path / "outside"
    outside.mkdir()
    path = run / folder
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.exists():
        shutil.rmtree(path)
    path.symlink_to(outside)
    with pytest.raises(UserError, match=r"is a symlink to .* outside of the run"):
        loop.train(tiny_config(), disc_set, run)
    assert list(outside.iterdir()) == []


@pytest.mark.parametrize("folder", ["codes", "evaluation", "samples"])
def test_commands_do_not_write_through_links(run, call, tmp_path_factory, folder):
    outside = tmp_path_factory.mktemp("outside")
    (run / folder).symlink_to(outside)
    command = {"codes": encode, "evaluation": evaluate, "samples": sample}[folder]
    sentence(call(command, run), f"{folder} is a symlink to")
    assert list(outside.iterdir()) == []
