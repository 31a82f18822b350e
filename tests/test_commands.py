import importlib.util
import json
import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from conftest import mistake, tiny_config
from PIL import Image

import jaxvae.cli
import jaxvae.train
from jaxvae.__main__ import COMMANDS
from jaxvae.interpolate import interpolate
from jaxvae.prepare import prepare
from jaxvae.reconstruct import reconstruct
from jaxvae.sample import sample
from jaxvae.system.files import file_stem
from jaxvae.train import python_command, suggestions

EXPERIMENTS = Path(__file__).parents[1] / "experiments"


def open_image(line_or_path) -> Image.Image:
    with Image.open(line_or_path) as image:
        return image.copy()


def test_interpolate_shows_originals_at_the_ends_and_the_path_between(call, disc_run, disc_set, tmp_path):
    code, out, _ = call(
        interpolate, disc_run, "--from", "test:1", "--to", "red=1", "--steps", 4, "--out", "x.png", "--json"
    )
    assert code == 0
    result = json.loads(out)
    assert result["picture"] == "x.png"
    assert result["degrees"] == pytest.approx([0, 1 / 3, 2 / 3, 1])
    strip = np.asarray(open_image("x.png"))
    side = strip.shape[0]
    scale = side // 16
    np.testing.assert_array_equal(strip[::scale, :side:scale], disc_set.split("test").images[1])


def test_interpolate_with_one_degree_gives_one_image_and_its_ends_and_a_gif_an_animation(call, disc_run):
    assert call(interpolate, disc_run, "--degree", "0.5", "--path", "spherical", "--out", "half.png")[0] == 0
    assert open_image("half.png").size == (3 * 128 + 2 * 16, 128)
    assert call(interpolate, disc_run, "--steps", 5, "--gif", "--out", "walk.png")[0] == 0
    with Image.open("walk.gif") as animation:
        assert animation.n_frames == 80


@pytest.mark.slow
def test_sample_depends_on_seed_prior_and_temperature(call, mlp_run):
    made = {}
    for name, arguments in {
        "a": [], "b": ["--prior", "fitted_mixture"], "seed": ["--seed", 1], "model": ["--prior", "model"],
        "flow": ["--prior", "fitted_flow"], "cold": ["--temperature", 0.1],
    }.items():  # fmt: skip
        assert call(sample, mlp_run, "--n", 4, "--out", f"{name}.png", *arguments)[0] == 0
        made[name] = np.asarray(open_image(f"{name}.png"))
    np.testing.assert_array_equal(made["a"], made["b"])
    for name in ("seed", "model", "flow", "cold"):
        assert not np.array_equal(made["a"], made[name])


def test_reconstruct_prints_the_psnr_of_what_it_shows(call, disc_run, disc_set):
    code, out, _ = call(reconstruct, disc_run, "test:0", "red=1", "--out", "r.png", "--json")
    result = json.loads(out)
    assert code == 0
    assert result["n"] == 2
    sheet = np.asarray(open_image("r.png")).astype(float)
    scale, side = sheet.shape[1] // 34, 16
    above, below = sheet[::scale, ::scale][:side, :side], sheet[::scale, ::scale][side + 2 :, :side]
    by_hand = 10 * np.log10(255**2 / np.mean((above - below[:side]) ** 2))
    assert result["psnr_db_each"][0] == pytest.approx(by_hand, abs=0.05)


def test_an_image_file_is_a_valid_endpoint(call, disc_run):
    Image.new("RGB", (301, 57), "red").save("mine.jpg")
    assert call(interpolate, disc_run, "--from", "mine.jpg", "--to", "test:0", "--out", "x.png")[0] == 0


def test_results_without_a_name_go_into_the_run_and_the_newest_run_is_the_default(call, disc_run, tmp_path):
    shutil.copytree(disc_run, tmp_path / "runs" / "discs")
    code, out, _ = call(interpolate)
    assert code == 0
    path = Path(out.splitlines()[0].removeprefix("picture: "))
    assert path.parent == Path("runs/discs/samples")
    assert path.exists()


def test_a_run_that_has_just_begun_does_not_hide_an_older_one(call, disc_run, tmp_path, caplog):
    shutil.copytree(disc_run, tmp_path / "runs" / "discs")
    begun = tmp_path / "runs" / "begun"
    begun.mkdir()
    shutil.copy(disc_run / "config.json", begun)
    assert call(sample, "--n", 1, "--out", "x.png")[0] == 0
    assert "using the run runs/discs, because runs/begun has no checkpoint yet" in caplog.text
    shutil.rmtree(tmp_path / "runs" / "discs")
    assert "the run runs/begun holds no checkpoint yet" in call(sample, "--n", 1)[2]


def test_what_is_no_run_is_named_for_what_it_is(call, disc_run, tmp_path_factory):
    photo = tmp_path_factory.mktemp("mine") / "me.jpg"
    Image.new("RGB", (30, 30)).save(photo)
    mistake(call(reconstruct, photo), "me.jpg is a file, not a run; give the run's folder first")
    mistake(call(interpolate, "test:1"), "test:1 names an image, not a run")
    mistake(call(sample, "sunglasses=1"), "sunglasses=1 names an image, not a run")


def test_reconstruct_takes_a_folder(call, disc_run, tmp_path):
    folder = tmp_path / "mine"
    folder.mkdir()
    for i in range(3):
        Image.new("RGB", (20 + i, 31), (80 * i, 0, 0)).save(folder / f"{i}.png")
    code, out, err = call(reconstruct, disc_run, folder, "test:0", "--out", "x.png", "--json")
    assert code == 0, err
    assert json.loads(out)["n"] == 4


def test_a_file_is_replaced_only_on_request(call, disc_run):
    Path("x.png").write_text("precious")
    code, _, err = call(sample, disc_run, "--out", "x.png")
    assert (code, Path("x.png").read_text()) == (2, "precious")
    assert "x.png exists" in err
    assert call(sample, disc_run, "--n", 1, "--out", "x.png", "--overwrite")[0] == 0


BAD_INTERPOLATIONS = {
    "one step": (["--steps", "1"], "--steps is 1, but must be at least 2"),
    "degree": (["--degree", "7"], "--degree is 7, but must be between 0"),
    "attribute": (["--from", "rad=1"], "no attribute 'rad'; did you mean 'red'"),
    "index": (["--to", "test:999"], "test has images 0 to 20"),
    "suffix": (["--out", "x.jpg"], "must end in .png"),
    "gif of one": (["--degree", "0.5", "--gif"], "use only one of them"),
    "path": (["--path", "winding"], "winding"),
}


@pytest.mark.parametrize("name", BAD_INTERPOLATIONS)
def test_bad_arguments_of_interpolate(call, disc_run, name):
    arguments, phrase = BAD_INTERPOLATIONS[name]
    mistake(call(interpolate, disc_run, "--out", "y.png", *arguments), phrase)


def test_bad_arguments_of_sample(call, disc_run):
    mistake(call(sample, disc_run, "--n", 0, "--out", "y.png"), "--n is 0, but must be at least 1")
    mistake(call(sample, disc_run, "--temperature", -1, "--out", "y.png"), "--temperature is -1")
    mistake(call(sample, disc_run, "--temperature", "nan", "--out", "y.png"), "--temperature is nan")
    mistake(call(sample, disc_run, "--seed", 10**20, "--out", "y.png"), "--seed is 1000")
    mistake(call(sample, disc_run, "--prior", "modle"), "modle", "fitted_mixture", "fitted_flow", "model")


def test_a_run_without_a_mixture_names_the_remedy(call, disc_run, tmp_path_factory):
    run = tmp_path_factory.mktemp("early") / "run"
    shutil.copytree(disc_run, run)
    shutil.rmtree(run / "checkpoints" / "40")
    mistake(
        call(sample, run, "--prior", "fitted_mixture"),
        "has no fitted mixture", "--train.mixture-components", "use --prior model",
    )  # fmt: skip
    mistake(call(sample, run, "--prior", "fitted_flow"), "has no fitted flow", "--train.fitted-flow-steps")
    code, out, _ = call(sample, run)
    assert code == 0
    assert "prior: model" in out


def test_no_run_and_a_run_without_a_checkpoint(call, tmp_path_factory):
    mistake(call(sample), "there is no run in", "make train")
    mistake(call(sample, "nowhere"), "the run nowhere does not exist")
    empty = tmp_path_factory.mktemp("empty")
    mistake(call(reconstruct, empty), "holds no checkpoint yet")


def test_unknown_experiment_field_and_value(call):
    mistake(call("train", EXPERIMENTS / "avatar.py"), "there is no experiment", "did you mean", "avatars.py")
    code, out, err = call("train", EXPERIMENTS / "avatars.py", "--train.stesp", 3)
    assert (code, out, len(err.splitlines())) == (2, "", 1)
    assert "--train.stesp" in err
    assert "Perhaps you meant: --train.steps" in err
    mistake(call("train", EXPERIMENTS / "avatars.py", "--train.steps", 0), "train.steps is 0, but must be at least 1")
    mistake(call("train", EXPERIMENTS / "avatars.py", "--train.steps", "many"), "many")
    mistake(
        call("train", EXPERIMENTS / "avatars.py", "--model.likelihood", "bernoulli"), "data.pixels is 'dequantized'"
    )


def test_an_experiment_file_without_a_config_is_named(call, tmp_path_factory):
    path = tmp_path_factory.mktemp("x") / "mine.py"
    path.write_text("configuration = 3\n")
    mistake(call("train", path), "defines no config")
    path.write_text("from jaxvae import Config\nconfig = Config(naem='x')\n")
    mistake(call("train", path), "mine.py cannot be read", "naem")


def test_bad_data(call, tmp_path_factory):
    empty = tmp_path_factory.mktemp("empty")
    mistake(call(prepare, "avtars"), "avtars", "'avatars'")
    mistake(call(prepare, "folder", "--raw", empty), str(empty))
    mistake(call(prepare, "folder"), "RAW=")
    mistake(call(prepare, "celeb_a", "--raw", empty), "img_align_celeba.zip", "list_attr_celeba.txt")
    mistake(call(prepare, "nowhere.npz"), "nowhere.npz")


def discs_as_npz(path, disc_set):
    names = ("train", "validation", "test")
    np.savez(path, **{name: np.asarray(disc_set.split(name).images) for name in names})
    return path


TINY = [
    "--data.size", "None", "--model.channels", "4", "4", "--model.latent", "2", "--train.batch-size", "16",
    "--train.mixture-components", "1", "--train.fitted-flow-steps", "10", "--train.log-every", "1",
]  # fmt: skip


def test_train_prepares_trains_continues_and_refuses_a_different_configuration(call, disc_set, tmp_path_factory):
    source = discs_as_npz(tmp_path_factory.mktemp("raw") / "mine.npz", disc_set)
    arguments = ["--data.name", source, *TINY]
    code, out, err = call("train", *arguments, "--train.steps", 3)
    assert code == 0, err
    for phrase in ("160 train, 50 validation, 21 test", "psnr_db", "runs/mine/samples/interpolation.png", "next:"):
        assert phrase in out
    announced = [
        "dataset ", "run runs/mine", "  model       conv with ", "  training    3 steps of ",
        "building the model", "compiling the train step", "measuring the test split", "encoding 160 images",
        "fitting a mixture of up to 1 Gaussian ", "fitting a flow to the codes", "drawing reconstructions", "images:",
    ]  # fmt: skip
    lines = [next(i for i, line in enumerate(out.splitlines()) if line.startswith(start)) for start in announced]
    assert lines == sorted(lines)
    assert json.loads(Path("runs/mine/config.json").read_text())["train"]["steps"] == 3

    code, out, _ = call("train", *arguments, "--train.steps", 3)
    assert (code, "runs/mine is complete" in out) == (0, True)

    before = {path: path.stat().st_mtime_ns for path in Path("runs").rglob("*")}
    code, _, err = call("train", *arguments, "--train.steps", 4)
    assert code == 2
    assert "train.steps is 3 there and 4 here" in err
    assert {path: path.stat().st_mtime_ns for path in Path("runs").rglob("*")} == before

    code, out, _ = call("train", *arguments, "--train.steps", 4, "--fresh")
    assert code == 0
    assert Path("runs/mine-2/samples/samples.png").exists()


def test_the_commands_after_training_work_where_they_are_pasted(monkeypatch, tmp_path):
    config = tiny_config()
    _, *lines = suggestions(Path("my runs/x"), config, ("hat", "sunglasses"), 4)
    commands = [shlex.split(line)[2:] for line in lines]
    assert [command[0] for command in commands] == [
        "jaxvae.explore", "jaxvae.interpolate", "jaxvae.interpolate", "jaxvae.attribute", "jaxvae.sample"
    ]  # fmt: skip
    assert all("my runs/x" in command for command in commands)
    assert commands[1][2:6] == ["--from", "red=0", "--to", "red=1"]
    assert "--corners" in commands[2]
    assert commands[3][1:4] == ["add", "my runs/x", "sunglasses"]
    assert len(suggestions(Path("x"), config)) == 4  # Without attributes, and too few images for a sheet.

    monkeypatch.setattr(sys, "executable", str(tmp_path / ".venv" / "bin" / "python"))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", "/nowhere")
    assert python_command() == ".venv/bin/python"
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert python_command() == sys.executable
    Path(sys.executable).parent.mkdir(parents=True)
    Path(sys.executable).touch(0o755)
    monkeypatch.setenv("PATH", str(Path(sys.executable).parent))
    assert python_command() == "python"


def test_an_endpoint_query_without_matches_stops_the_run_before_it_starts(call, disc_set, tmp_path_factory):
    source = discs_as_npz(tmp_path_factory.mktemp("raw") / "mine.npz", disc_set)
    code, _, err = call("train", "--data.name", source, *TINY, "--data.walk-from", "hat=1")
    assert code == 2
    assert "no attribute 'hat'" in err
    assert not Path("runs").exists()


@pytest.mark.parametrize("name", COMMANDS)
def test_help_explains_every_field_with_its_default(name):
    out = subprocess.run(
        [sys.executable, "-m", f"jaxvae.{name}", "--help"], capture_output=True, text=True, check=True,
        env={**os.environ, "COLUMNS": "200"},
    ).stdout  # fmt: skip
    assert f"usage: python -m jaxvae.{name}" in out
    assert "default" in out
    for noise in ("{None}", "None,", "(default: None)", "(default: False)", "(default: )"):
        assert noise not in out
    if name == "train":
        assert "--train.learning-rate" in out
        assert "Peak learning rate" in out


def test_a_closed_pipe_causes_no_traceback(disc_run, tmp_path):
    command = f"{sys.executable} -m jaxvae.sample {disc_run} --n 1 --out {tmp_path / 'x.png'} | true"
    result = subprocess.run(["bash", "-c", command], capture_output=True, text=True)
    assert result.stderr == ""
    assert (tmp_path / "x.png").exists()


def test_the_package_lists_its_commands():
    out = subprocess.run([sys.executable, "-m", "jaxvae"], capture_output=True, text=True, check=True).stdout
    readme = (EXPERIMENTS.parent / "README.md").read_text()
    for name in COMMANDS:
        assert f"\n  jaxvae {name} " in out
        assert f"| `python -m jaxvae.{name}" in readme
        assert importlib.util.find_spec(f"jaxvae.{name}") is not None


def test_long_queries_get_short_distinct_names():
    many = [f"test:{i}" for i in range(60)]
    assert len(file_stem(many)) < 100
    assert file_stem(many) != file_stem([*many[:-1], "test:99"])
    assert file_stem(["test:12", "a/me.jpg"]) == "test-12-a-me"
    assert file_stem(["red=0,width=large"]) == "red=0-width=large"


def test_an_invalid_run_folder_is_refused(call, disc_set, disc_run, tmp_path_factory):
    place = tmp_path_factory.mktemp("raw")
    arguments = ["--data.name", discs_as_npz(place / "mine.npz", disc_set), "--data.root", place, *TINY]
    (place / "file").write_text("")
    mistake(call("train", *arguments, "--run", place / "file"), "file")
    bare = shutil.copytree(disc_run, place / "bare")
    (bare / "config.json").unlink()
    # The checkpoints say what it was trained with.
    mistake(call("train", *arguments, "--run", bare), "holds a run with another configuration")
    (bare / "config.json").write_text("[1]")
    mistake(call("train", *arguments, "--run", bare), "holds a run with another configuration")


@pytest.mark.slow
def test_three_images_are_enough_to_train_and_interpolate(call, tmp_path_factory):
    path = tmp_path_factory.mktemp("raw") / "three.npy"
    np.save(path, np.random.default_rng(0).integers(0, 256, (3, 9, 6, 1), dtype=np.uint8))
    code, _, err = call("train", "--data.name", path, *TINY, "--train.steps", 4, "--train.picture-every", 2)
    assert code == 0, err
    assert Path("runs/three/samples/interpolation.png").exists()


def test_edited_images_are_prepared_again(call, tmp_path_factory):
    path = tmp_path_factory.mktemp("raw") / "mine.npy"
    for count, low in [(10, 0), (20, 0), (20, 1)]:
        np.save(path, np.full((count, 4, 4), low, np.uint8))
        code, out, _ = call(prepare, path, "--size", "None")
        assert code == 0
        assert f"{count * 8 // 10} train" in out
        assert f"values {low} to {low}" in out
    assert len(list(Path("data").iterdir())) == 3


def test_every_experiment_file_contains_a_config():
    paths = sorted(EXPERIMENTS.glob("*.py"))
    assert {path.stem for path in paths} >= {"avatars", "celeba", "mnist", "fashion_mnist", "cifar10", "folder"}
    for path in paths:
        assert jaxvae.cli.read_experiment(path).name == path.stem
