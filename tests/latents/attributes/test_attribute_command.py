import json
from pathlib import Path

import numpy as np
import pytest
from conftest import mistake
from PIL import Image

from jaxvae.attribute import attribute
from jaxvae.inference import decode_to_images, encode_means
from jaxvae.latents.attributes import edit_success
from jaxvae.latents.attributes.change import build_change, changed
from jaxvae.latents.attributes.directions import LabelledCodes
from jaxvae.latents.attributes.labels import labelled_split
from jaxvae.rendering.captions import labelled_grid
from jaxvae.runs.run import load


def test_list_names_attributes_classes_and_counts(call, dense_run, disc_set):
    code, out, _ = call(attribute, "list", dense_run, "--json")
    result = json.loads(out)
    assert (code, result["n"], result["of"]) == (0, 160, "discs")
    values = np.asarray(disc_set.split("train").attributes)
    assert result["attributes"]["red"] == {str(value): int(np.sum(values[:, 0] == value)) for value in (0, 1)}
    assert result["attributes"]["width"]["large"] == np.sum(values[:, 2] == 2)
    assert result["names"] == ["red", "high", "width=small", "width=medium", "width=large"]
    code, out, _ = call(attribute, "list", dense_run)
    assert f"small: {np.sum(values[:, 2] == 0)}, medium:" in out


@pytest.mark.parametrize("method", ["transport", "difference"])
def test_add_renders_each_image_at_each_degree(call, dense_run, disc_set, method):
    code, out, err = call(
        attribute, "add", dense_run, "red", "--remove", "high", "width=small", "--images", "test:3", "red=0",
        "--degree", 0, 1.5, -1, "--method", method, "--out", "a.png", "--json",
    )  # fmt: skip
    assert code == 0, err
    result = json.loads(out)
    assert (result["changes"], result["images"]) == ("+red -high -width=small", ["test:3", "red=0"])
    loaded = load(dense_run)
    vae, params, _ = loaded
    learned = LabelledCodes.encode(loaded, labelled_split(disc_set, "train"))
    change = build_change(learned, [("red", False), ("high", True), ("width=small", True)], method)
    test = disc_set.split("test")
    originals = test.images[[3, int(np.argmax(test.attributes[:, 0] == 0))]]
    z = encode_means(vae, params, originals)
    rows = [originals, *(decode_to_images(vae, params, changed(z, change.steps(z), degree)) for degree in (0, 1.5, -1))]
    expected = labelled_grid(
        np.stack(rows, axis=1).reshape(-1, *originals.shape[1:]), 4, title=result["changes"],
        over=["original", "degree 0", "degree 1.5", "degree -1"], before=["test:3", "red=0"],
    )  # fmt: skip
    with Image.open("a.png") as sheet:
        np.testing.assert_array_equal(np.asarray(sheet), np.asarray(expected))
    assert result["scores"][0]["+red"] == pytest.approx(float(change.scores(z)[0][0]), abs=1e-5)


def test_the_run_may_come_first_as_in_other_commands(call, dense_run):
    asked = [("list", []), ("add", ["red", "--out", "a.png", "--overwrite"]), ("measure", ["red", "--out", "m.json"])]
    for command, arguments in asked:
        code, out, err = call(attribute, command, dense_run, *arguments, "--json")
        assert code == 0, err
        assert json.loads(out)["run"] == str(dense_run)
    code, _, err = call(attribute, "list", "red")
    assert (code, "red is not the folder of a run" in err) == (2, True)


def test_add_says_how_often_the_edit_takes(call, dense_run, monkeypatch, caplog):
    monkeypatch.setattr(edit_success, "FEWEST", 3)
    asked = ["add", dense_run, "high", "--degree", 0.5, 1, "--out", "a.png"]
    code, out, _ = call(attribute, *asked, "--json")
    took = json.loads(out)["took"]
    assert (code, list(took), list(took["+high"])) == (0, ["+high"], ["0.5", "1"])
    assert "+high succeeded in only" in caplog.text  # Nobody has trained this model.
    code, out, _ = call(attribute, *asked, "--overwrite")
    assert f"took: +high {took['+high']['0.5']:.0%} at degree 0.5, {took['+high']['1']:.0%} at degree 1" in out


@pytest.mark.slow
def test_orthogonal_to_method_and_step_change_the_image_and_its_name(call, dense_run, tmp_path):
    asked = ["add", dense_run, "red", "--degree", 2, "--images", "red=0", "test:4"]  # Those that are red stay.
    made = {}
    for name, more in {
        "plain": [], "kept": ["--orthogonal-to", "high"], "difference": ["--method", "difference"],
        "same": ["--method", "difference", "--step", "same"], "lda": ["--method", "lda"],
        "logistic": ["--method", "logistic"], "few": ["--n", 30],
    }.items():  # fmt: skip
        code, _, err = call(attribute, *asked, *more, "--out", f"{name}.png")
        assert code == 0, err
        made[name] = np.asarray(Image.open(f"{name}.png"))
    for name in set(made) - {"plain"}:
        assert not np.array_equal(made[name], made["plain"]), name


@pytest.mark.slow
def test_unnamed_results_get_distinct_names(call, dense_run):
    paths = set()
    for more in (
        [],
        ["--degree", 0.5],
        ["--degree", 0.7],
        ["--orthogonal-to", "high"],
        ["--remove", "high"],
        ["--n", 30],
    ):
        code, out, _ = call(attribute, "add", dense_run, "red", *more)
        path = Path(out.splitlines()[0].removeprefix("picture: "))
        assert (code, path.parent, path.exists()) == (0, dense_run / "samples", True)
        paths.add(path)
    assert len(paths) == 6


def test_measure_writes_what_it_prints(call, dense_run):
    code, out, err = call(
        attribute, "measure", dense_run, "red", "width=large", "--remove", "high", "--pictures", 5,
        "--out", "m.json", "--json",
    )  # fmt: skip
    assert code == 0, err
    written, printed = json.loads(Path("m.json").read_text()), json.loads(out)
    assert {**written, "file": "m.json"} == printed
    edits = [(each["attribute"], each["removed"], each["n"]) for each in written["edits"]]
    assert edits == [("red", False, 5), ("width=large", False, 5), ("high", True, 5)]
    for each in written["edits"]:
        assert 0 <= each["took"] <= 1
        assert each["stayed"] == pytest.approx(np.mean([s for s in each["stayed_each"].values() if s is not None]))
    assert set(written["classifier"]) == {"red", "high", "width"}
    code, out, _ = call(attribute, "measure", dense_run, "--pictures", 5, "--out", "all.json")
    assert code == 0
    every = json.loads(Path("all.json").read_text())["edits"]
    assert [each["attribute"] for each in every] == ["red", "high", "width=small", "width=medium", "width=large"]
    row = next(line for line in out.splitlines() if line.startswith("+red"))
    assert f"{100 * every[0]['took']:.1f} %" in row


@pytest.fixture
def folder(tmp_path_factory, disc_set):
    """An unlabelled folder of discs, and a CSV that says which are blue."""
    place = tmp_path_factory.mktemp("mine")
    images, attributes = disc_set.split("train")
    lines = ["file,blue,size"]
    for index in range(40):
        mode = ("RGB", "RGBA", "P")[index % 3]
        Image.fromarray(images[index]).convert(mode).resize((30, 30 + index % 5)).save(place / f"{index}.png")
        lines.append(f"{index}.png,{1 - attributes[index, 0]},{'big' if attributes[index, 2] == 2 else 'little'}")
    (place / "labels.csv").write_text("\n".join(lines) + "\n")
    return place


def test_a_csv_can_label_an_unlabelled_folder(call, dense_run, folder):
    labels = ["--labels", folder / "labels.csv"]
    code, out, _ = call(attribute, "list", dense_run, *labels, "--json")
    assert json.loads(out)["names"] == ["blue", "size=big", "size=little"]
    code, out, err = call(
        attribute,
        "add",
        dense_run,
        "blue",
        *labels,
        "--folder",
        folder,
        "--images",
        folder,
        "--degree",
        1,
        "--out",
        "a.png",
        "--json",
    )
    assert code == 0, err
    result = json.loads(out)
    assert (len(result["images"]), result["of"]) == (40, str(folder / "labels.csv"))
    code, out, err = call(attribute, "measure", dense_run, *labels, "--out", "m.json", "--json")
    assert code == 0, err
    assert json.loads(out)["learned_from"] == 32
    assert json.loads(out)["classifier"]["blue"]["accuracy"] == 1.0


def write(folder, name, text):
    (folder / name).write_text(text)
    return folder / name


def test_bad_requests_print_one_sentence_and_leave_nothing_behind(call, dense_run, folder, tmp_path_factory):
    run, out = [dense_run], ["--out", "x.png"]
    add = ("add", *run, "red", *out)
    mistake(call(attribute, "add", *run, *out), "nothing to add or remove")
    mistake(call(attribute, "add", *run, "rad", *out), "discs has no attribute 'rad': did you mean 'red'")
    mistake(call(attribute, "add", *run, "width", *out), "choose one of width=small, width=medium, width=large")
    mistake(call(attribute, *add, "--remove", "red"), "red is named twice")
    mistake(call(attribute, "add", *run, "width=small", "width=large", *out), "both width=small and width=large")
    widths = ["width=small", "--remove", "width=medium", "width=large"]
    mistake(
        call(attribute, "add", *run, *widths, "--method", "difference", *out), "the attributes are linearly dependent"
    )
    mistake(call(attribute, *add, "--orthogonal-to", "red"), "cannot be changed orthogonally to itself")
    mistake(call(attribute, *add, "--degree", "nan"), "degrees must be finite")
    mistake(call(attribute, *add, "--images", "test:999"), "test has images 0 to 20")
    mistake(call(attribute, *add, "--n", 0), "--n is 0")
    mistake(call(attribute, *add, "--n", 5), "red is labelled in only 5 images of discs; a direction needs 10")
    mistake(call(attribute, *add, "--folder", folder), "add --labels FILE.csv")
    mistake(call(attribute, *add, "-high"), "-high")
    mistake(call(attribute, "measure", *run, "rad"), "did you mean 'red'")
    mistake(call(attribute, "measure", *run, "--orthogonal-to", "rad"), "did you mean 'red'")
    mistake(call(attribute, "measure", *run, "red", "--pictures", 0), "--pictures is 0")
    mistake(call(attribute, "measure", *run, "red", "--degree", "inf"), "--degree is inf")
    mistake(call(attribute, "measure", *run, "red", "--out", "x.png"), "must end in .json")
    mistake(call(attribute, *add, "--to", "test:1"), "--to is not a flag of attribute; give --images WHICH")
    mistake(call(attribute, "add", "red", "--run", dense_run), "--run is not a flag of attribute", "first argument")
    mistake(call(attribute, "list", "red"), "red is not the folder of a run")
    mistake(call(attribute, "list", "./nowhere"), "the run nowhere does not exist")

    lines = (folder / "labels.csv").read_text().splitlines()
    for name, text, phrase in (
        ("one.csv", "\n".join(line.replace(",0,", ",1,") for line in lines), "all of the 40 images of"),
        ("few.csv", "\n".join(lines[:10]), "blue is labelled in only 9 images of"),
        ("gone.csv", "\n".join([lines[0], "elsewhere.png,1,big"]), "lists 1 files that do not exist"),
    ):
        labels = ["--labels", write(folder, name, text)]
        mistake(call(attribute, "add", *run, "blue", *out, *labels), phrase)
    mistake(call(attribute, "measure", *run, "--labels", folder / "few.csv"), "labels 9 images, but measuring needs 25")
    broken = write(folder, "broken.png", "no picture")
    mistake(call(attribute, *add, "--images", broken), "broken.png")
