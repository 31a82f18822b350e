"""Runs of a hub: opened under the name of the hub wherever a run is named, and distrusted."""

import json
import logging
import pickle
from hashlib import sha256
from pathlib import Path

import jax
import numpy as np
import pytest
from conftest import mistake, tiny_config

import jaxvae as jv
from jaxvae.compare import compare
from jaxvae.data.select import images_here
from jaxvae.errors import UserError
from jaxvae.hub.names import HubName
from jaxvae.reconstruct import reconstruct
from jaxvae.runs.hub_files import DESCRIPTION, LARGEST_DESCRIPTION, METRICS, WEIGHTS
from jaxvae.runs.pulled import fetch
from jaxvae.sample import sample

pytest_plugins = ["hub.hub_fixtures"]
pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")  # Of how huggingface_hub uploads.

NAME = "hub:jane/discs"


@pytest.mark.slow
def test_every_command_takes_the_name_and_writes_into_a_run_of_its_own(call, hub, pushed_files, full_run, disc_set):
    commit = hub.put("jane/discs", pushed_files)
    code, out, err = call(sample, NAME, "--n", 2, "--json")
    assert code == 0, err
    run = Path("runs/hub") / f"jane--discs-{commit[:12]}"
    picture = Path(json.loads(out)["picture"])
    assert picture.parent == run / "samples"
    assert picture.exists()
    assert call(sample, full_run, "--n", 2, "--out", "same.png")[0] == 0
    assert Path("same.png").read_bytes() == picture.read_bytes()
    assert call(compare, NAME, full_run, "--out", "curves.png", "--metrics", "psnr_db")[0] == 0
    # Its images are looked for where `prepare` puts them here, not where whoever pushed it had them.
    code, _, err = call(reconstruct, NAME, "--out", "x.png")
    assert code == 2
    assert str(Path("data").absolute() / disc_set.path.name) in err
    with pytest.raises(UserError, match="where nothing is trained"):
        jv.fit(tiny_config(), disc_set, run=NAME)


def test_it_opens_without_the_network_once_it_is_here(call, hub, pushed_files, caplog):
    commit = hub.put("jane/discs", pushed_files)
    first = jv.load(NAME)
    hub.requests.clear()
    assert jv.load(f"{NAME}@{commit}").info.run == first.info.run
    assert hub.requests == []
    hub.down = True
    with caplog.at_level(logging.WARNING, "jaxvae"):
        again = jv.load(NAME)
    assert again.info.run == first.info.run
    assert f"cannot be reached; {NAME} is opened as it was downloaded before, at commit {commit[:12]}" in caplog.text


def test_a_revision_names_an_older_commit(call, hub, pushed_files):
    old = hub.put("jane/discs", pushed_files)
    about = json.loads(pushed_files[DESCRIPTION])
    new = hub.put("jane/discs", {**pushed_files, DESCRIPTION: json.dumps({**about, "step": 9}).encode()})
    assert jv.load(NAME).info.step == 9
    assert fetch(HubName("jane/discs", old)).name == f"jane--discs-{old[:12]}"
    assert jv.load(f"{NAME}@{old}").info.step == 1
    assert jv.load(f"{NAME}@{new}").info.step == 9


def test_only_the_files_of_a_run_are_fetched_and_none_elsewhere(call, hub, pushed_files):
    evil = {"pytorch_model.bin": pickle.dumps(sample), "../up.py": b"", "jaxvae.py": b"raise SystemExit"}
    hub.put("jane/discs", {**pushed_files, **evil, "checkpoints/1/x": b""})
    jv.load(NAME)
    fetched = {request.rpartition("/")[2] for request in hub.requests if request.startswith("GET /jane")}
    assert fetched == {DESCRIPTION, METRICS, WEIGHTS}
    (run,) = Path("runs/hub").iterdir()
    assert sorted(path.name for path in run.iterdir()) == ["checkpoints", "config.json", METRICS]
    assert [path.name for path in Path.cwd().iterdir()] == ["runs"]


def described(**changes):
    """Changes fields of jaxvae.json, named by their path."""

    def change(files):
        about = json.loads(files[DESCRIPTION])
        for path, value in changes.items():
            *above, last = path.split("__")
            place = about
            for each in above:
                place = place[each]
            place[last] = value
        return {**files, DESCRIPTION: json.dumps(about).encode()}

    return change


def weights(change):
    """Changes model.safetensors, and its checksum with it, as whoever made it would."""

    def damage(files):
        data = change(files[WEIGHTS])
        about = json.loads(files[DESCRIPTION])
        about["files"][WEIGHTS] = {"size": len(data), "sha256": sha256(data).hexdigest()}
        return {**files, WEIGHTS: data, DESCRIPTION: json.dumps(about).encode()}

    return damage


def without(name):
    return lambda files: {file: data for file, data in files.items() if file != name}


def replaced(name, data):
    return lambda files: {**files, name: data}


DEEP = json.loads("[" * 900 + "]" * 900)
DAMAGES = {
    "not a run": (without(DESCRIPTION), f"has no {DESCRIPTION}"),
    "no weights": (without(WEIGHTS), f"has no {WEIGHTS}"),
    "text": (replaced(DESCRIPTION, b"hello"), f"{DESCRIPTION} cannot be read"),
    "deep": (replaced(DESCRIPTION, b"[" * 100_000), f"{DESCRIPTION} cannot be read"),
    "list": (replaced(DESCRIPTION, b"[]"), "was not written by jaxvae"),
    "huge": (replaced(DESCRIPTION, bytes(LARGEST_DESCRIPTION + 1)), "expected at most 16,777,216"),
    "newer": (described(format_version=2), "reads formats up to 1"),
    "newer checkpoint": (described(checkpoint__format_version=9), "reads formats up to 3"),
    "step": (described(step=-1), "its step is -1"),
    "no files": (described(files=[]), "lacks its checkpoint, trees or files"),
    "no checksum": (described(files={}), "does not match its checksum"),
    "flipped bit": (lambda files: {**files, WEIGHTS: files[WEIGHTS][:-1] + b"\1"}, "does not match its checksum"),
    "other metrics": (replaced(METRICS, b""), "metrics.jsonl does not match its checksum"),
    "no parameters": (described(trees={}), "its trees are not those of a run"),
    "other tree": (described(trees__train={}), "its trees are not those of a run"),
    "number in tree": (described(trees__params={"a": 1}), "its trees hold '1'"),
    "list as tree": (described(trees__params=["a"]), "its trees are not JSON objects"),
    "deep tree": (described(trees__params__deep=DEEP), "nested more than 100 deep"),
    "missing tensor": (described(trees__params={"a": "b"}), "are not those of jaxvae.json"),
    "tensor twice": (described(trees__ema={"a": "params.log_scale"}), "are not those of jaxvae.json"),
    "not safetensors": (weights(lambda _: b"\x80\x04."), "is not a safetensors file"),
    "cut": (weights(lambda data: data[:-40]), "is not a safetensors file"),
    "long header": (weights(lambda data: b"\xff" * 7 + b"\0" + data), "is not a safetensors file"),
    "other latent": (described(checkpoint__config__model__latent=5), "parameters are not those of its configuration"),
    "huge latent": (described(checkpoint__config__model__latent=10**9), "not those of its configuration"),
    "unknown kind": (described(checkpoint__config__model={"kind": "mine"}), "--code FILE.py"),
    "no config": (described(checkpoint__config=3), "its config is 3"),
    "no data": (described(checkpoint__data={}), "its data set: it has no format_version"),
    "changes": (described(checkpoint__changes=5), "its changes are '5'"),
    "no statistics": (described(trees__code_statistics={}), "are not those of jaxvae.json"),
    "other statistics": (described(trees__code_statistics={"mean": "code_statistics.mean",
                                                           "spread": "code_statistics.standard_deviation"}),
                         "its code_statistics do not fit its codes"),
}  # fmt: skip


@pytest.mark.parametrize("name", DAMAGES)
def test_what_is_damaged_or_hostile_is_refused_in_a_sentence(call, hub, pushed_files, name):
    damage, told = DAMAGES[name]
    hub.put("jane/discs", damage(pushed_files))
    mistake(call(sample, NAME, "--n", 1), told)


def test_images_are_never_looked_for_where_a_stranger_says(call, hub, pushed_files):
    hub.put("jane/discs", described(checkpoint__data__path="../../home")(pushed_files))
    assert Path(jv.load(NAME).info.data["path"]) == Path("data/home").absolute()
    for path in ("/etc", "..", "", "~root", "n" * 5000, "\x1b[31m\n", "a\0b"):
        found = images_here(path)
        assert found.parent == Path("data").absolute()
        assert found.name.isprintable()
        assert 0 < len(found.name) < 200
        assert found.name != ".."


def test_names_that_lead_nowhere_are_told_apart(call, hub, pushed_files, monkeypatch):
    hub.put("jane/discs", pushed_files, private=True)
    mistake(call(sample, "hub:jane/nothing"), "jane/nothing does not exist on http://127.0.0.1")
    mistake(call(sample, f"{NAME}@nope"), "jane/discs has no revision 'nope'")
    mistake(call(sample, "hub:jane"), "expected hub:OWNER/NAME")
    monkeypatch.setenv("HF_TOKEN", "hf_wrong")
    mistake(call(sample, NAME), "does not accept the token")
    monkeypatch.setenv("HF_TOKEN", "")
    mistake(call(sample, NAME), "or is private; log in with `hf auth login`, or set HF_TOKEN")
    hub.down = True
    mistake(call(sample, NAME), "is out of order (503")
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    mistake(call(sample, NAME), "http://127.0.0.1:9 cannot be reached")


def test_a_missing_library_is_named_with_its_extra(call, monkeypatch):
    monkeypatch.setattr("jaxvae.hub.client.find_spec", lambda name: None if name == "huggingface_hub" else name)
    mistake(call(sample, NAME), "huggingface_hub, which is not installed; pip install 'jaxvae[hub]'")


def test_statistics_and_priors_are_those_of_the_run(call, hub, pushed_files, full_run):
    hub.put("jane/discs", pushed_files)
    here, there = jv.load(full_run), jv.load(NAME)
    for name in ("fitted", "code_statistics", "step", "parameters", "versions", "config"):
        before, after = (getattr(run.info, name) for run in (here, there))
        assert str(jax.tree.structure(before)) == str(jax.tree.structure(after)), name
        assert jax.tree.all(jax.tree.map(np.array_equal, before, after)), name
