"""A checkpoint of which files are missing, replaced or not what they say, with and without their checksums."""

import json
import shutil
from pathlib import Path

import pytest
from corpus import edit_json, sentence, tree, untrained_run

from jaxvae.errors import UserError
from jaxvae.evaluate import evaluate
from jaxvae.interpolate import interpolate
from jaxvae.reconstruct import reconstruct
from jaxvae.runs.run import completed, load
from jaxvae.sample import sample
from jaxvae.system.checksums import FILE_NAME, write_checksums


@pytest.fixture(scope="module")
def whole_run(disc_set, tmp_path_factory):
    return untrained_run(tmp_path_factory.mktemp("runs") / "run", disc_set)


@pytest.fixture
def run(whole_run, tmp_path_factory):
    """A copy to be damaged."""
    return shutil.copytree(whole_run, tmp_path_factory.mktemp("copy") / "run")


def replaced(content):
    return lambda path: path.write_bytes(content)


def a_folder(path):
    path.unlink()
    path.mkdir()


# The files that hold the parameters, by pattern, and whether they can be read without.
FILES = ["_CHECKPOINT_METADATA", "params/_METADATA", "params/manifest.ocdbt", "params/d/*",
         "params/ocdbt.process_0/d/*", "fitted_mixture/_METADATA", "fitted_mixture/d/*"]  # fmt: skip
DAMAGES = {
    "missing": Path.unlink,
    "empty": replaced(b""),
    "text": replaced(b"hello"),
    "other JSON": replaced(b"[]"),
    "deep JSON": replaced(b"[" * 100_000),
    "a folder": a_folder,
}


@pytest.mark.parametrize("file", FILES)
@pytest.mark.parametrize("sealed", [True, False])
def test_a_missing_or_replaced_file_is_reported(whole_run, tmp_path, capfd, file, sealed):
    for name, damage in DAMAGES.items():
        run = shutil.copytree(whole_run, tmp_path / name)
        step = run / "checkpoints" / "3"
        (path,) = step.glob(file)
        damage(path)
        if not sealed:
            (step / FILE_NAME).unlink()
        with pytest.raises(UserError, match=r"checkpoint .*3 (is damaged|was not written by jaxvae)") as caught:
            load(run)
        assert sealed == (path.relative_to(step).as_posix() in str(caught.value))
        assert completed(run) is None or not sealed
    assert "Traceback" not in capfd.readouterr().err


@pytest.mark.parametrize("name", ["params", "fitted_mixture"])
def test_a_missing_or_different_tree_is_reported(whole_run, tmp_path, name):
    other = {"params": "fitted_mixture", "fitted_mixture": "params"}[name]
    for case in ("missing", "other", "a file"):
        run = shutil.copytree(whole_run, tmp_path / case)
        step = run / "checkpoints" / "3"
        (step / FILE_NAME).unlink()
        shutil.rmtree(step / name)
        if case == "other":
            shutil.copytree(step / other, step / name)
        if case == "a file":
            (step / name).write_text("x")
        if name == "fitted_mixture" and case != "other":
            assert load(run).info.fitted.kinds == ()  # As of a run that fitted none.
            continue
        with pytest.raises(UserError, match=r"checkpoint .*3 is damaged"):
            load(run)


def edited(change):
    def damage(run):
        step = run / "checkpoints" / "3"
        edit_json(step / "_CHECKPOINT_METADATA", lambda whole: change(whole["custom_metadata"]))
        write_checksums(step)  # As whoever made it would.

    return damage


def put(name, value):
    *above, last = name.split(".")

    def change(about):
        for each in above:
            about = about[each]
        about[last] = value

    return edited(change)


WRONG = {
    "no format": (edited(lambda about: about.pop("format_version")), "was not written by jaxvae"),
    "format in words": (put("format_version", "one"), "was not written by jaxvae"),
    "newer, odd versions": (edited(lambda about: about.update(format_version=9, versions=[])), "of an unknown later"),
    "no objective": (edited(lambda about: about.pop("objective")), "its objective is None"),
    "objective in words": (put("objective", "high"), "its objective is 'high'"),
    "not said whether complete": (edited(lambda about: about.pop("complete")), "its complete is None"),
    "no config": (edited(lambda about: about.pop("config")), "its config is None"),
    "no data": (edited(lambda about: about.pop("data")), "its data is None"),
    "no versions": (put("versions", "all"), "its versions is 'all'"),
    "unknown field": (put("config.model.layers", 3), "no field 'model.layers'"),
    "mistyped field": (put("config.model.latent", "3"), "model.latent is '3'"),
    "other latent": (put("config.model.latent", 5), "parameters are not those of its configuration"),
    "huge latent": (put("config.model.latent", 10**9), "parameters are not those of its configuration"),
    "other network": (put("config.model", {"kind": "conv"}), "parameters are not those of its configuration"),
    "other prior": (put("config.model.prior", {"kind": "mixture"}), "parameters are not those of its configuration"),
    "other shape": (put("data.shape", [17, 16, 3]), "parameters are not those of its configuration"),
    "huge shape": (put("data.shape", [2**30, 2**30, 3]), "its shape is [1073741824, 1073741824, 3]"),
    "flat shape": (put("data.shape", [16, 16]), "its shape is [16, 16]"),
    "shape in words": (put("data.shape", "16x16"), "its shape is '16x16'"),
    "too many bands": (put("data.shape", [16, 16, 99]), "its shape is [16, 16, 99]"),
    "no splits": (put("data.splits", {}), "its split train is None"),
    "empty split": (put("data.splits.test.n", 0), "its split test is"),
    "no path": (put("data.path", None), "the path of its data set is None"),
    "no recipe": (put("data.recipe", None), "its recipe is None"),
    "numbers for names": (put("data.attributes", [1, 2, 3]), "its attributes are [1, 2, 3]"),
    "classes in words": (put("data.classes", {"width": "small"}), "its classes are"),
    "no JSON object": (lambda run: edit_json(run / "checkpoints" / "3" / "_CHECKPOINT_METADATA",
                                             lambda whole: whole.update(custom_metadata=[])), "is damaged"),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_checkpoint_metadata_is_validated(run, name):
    damage, told = WRONG[name]
    damage(run)
    with pytest.raises(UserError) as caught:
        load(run)
    assert told in str(caught.value)


COMMANDS = {
    "sample": (sample, ["--out", "x.png"]),
    "reconstruct": (reconstruct, ["--out", "x.png"]),
    "interpolate": (interpolate, ["--gif", "--out", "x.png"]),
    "evaluate": (evaluate, ["--k", "1", "--out", "x.json"]),
}


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_reports_it_and_leaves_nothing_behind(call, run, name):
    command, arguments = COMMANDS[name]
    put("config.model.latent", 5)(run)
    before = tree(run)
    sentence(call(command, run, *arguments), "parameters are not those of its configuration")
    shutil.rmtree(run / "checkpoints" / "3" / "params")
    sentence(call(command, run, *arguments), "3 is damaged: params/")
    shutil.rmtree(run / "checkpoints" / "3")
    (run / "checkpoints" / "3").write_text("a file")
    sentence(call(command, run, *arguments), "holds no checkpoint yet")
    shutil.rmtree(run / "checkpoints")
    (run / "checkpoints").write_text("a file")
    sentence(call(command, run, *arguments), "holds no checkpoint yet")
    assert {name for name in before if not name.startswith("checkpoints")} == set(tree(run)) - {"checkpoints"}


def test_foreign_lines_in_the_metrics_do_not_stop_a_run(tmp_path):
    from jaxvae.training.metric_log import _drop_later_lines

    path = tmp_path / "metrics.jsonl"
    good = json.dumps({"step": 1, "kind": "train"}) + "\n"
    path.write_bytes(good.encode() + b'5\n[]\n{}\n{"step": "x", "kind": 1}\n\xff\xfe\n' + b"[" * 100_000 + b"\n")
    _drop_later_lines(path, 3)
    assert path.read_text() == good
