"""`python -m jaxvae.attribute list|add|measure`: add attributes to images and remove them."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import tyro

from jaxvae.cli import Output, check_count, report, run_command, say
from jaxvae.system.files import file_stem, number_stem

if TYPE_CHECKING:
    from jaxvae.latents.attributes.classifier import Classifier
    from jaxvae.latents.attributes.directions import LabelledCodes
    from jaxvae.latents.attributes.edits import Edit
    from jaxvae.latents.attributes.labels import Labelled
    from jaxvae.runs.run import Loaded


MAX_NAME_LENGTH = 20  # Characters of an image's name in front of its row.
MAX_HELD_OUT = 5000  # Maximum number of held-out images to encode.
MIN_LABELLED = 25

Names = Annotated[tuple[str, ...], tyro.conf.arg(metavar="NAME ...")]


@dataclass(frozen=True)
class LabelSource:
    """The run, and the labels that directions are learned from."""

    run: Path | None = None
    """The run's folder, which may also be the first argument; defaults to the newest in runs/."""
    labels: Path | None = None
    """CSV of labels to use instead of the dataset's: a column `file`, and a column per attribute with 0 and 1 or class
    names; empty cells are unknown."""
    folder: Path | None = None
    """Folder that the files in --labels are relative to; defaults to the folder of the CSV."""
    data: Path | None = None
    """The prepared dataset, if it has moved since the run was trained."""
    n: int = 10_000
    """Maximum number of images to learn directions from, sampled at random if there are more."""

    def data_description(self, loaded: "Loaded") -> dict[str, Any]:
        """Returns the JSON description of the dataset, with its current path."""
        return {**loaded.info.data, "path": str(self.data)} if self.data else loaded.info.data

    def train_and_held_out(self, loaded: "Loaded") -> "tuple[Labelled, Labelled, Classifier]":
        """Returns images to learn directions from, held-out images, and a classifier not trained on the latter."""
        from jaxvae.data.prepared import Split
        from jaxvae.data.select import data_set
        from jaxvae.errors import UserError
        from jaxvae.latents.attributes.classifier import fit_classifier, fit_to_splits
        from jaxvae.latents.attributes.labels import labelled_split
        from jaxvae.latents.attributes.labels_csv import hold_out

        labelled = self.labelled_images(loaded)
        if self.labels is None:
            prepared = data_set(loaded.info.data, self.data)
            return labelled, labelled_split(prepared, "test", MAX_HELD_OUT), fit_classifier(prepared)
        if len(labelled.images) < MIN_LABELLED:
            raise UserError(
                f"{self.labels} labels {len(labelled.images)} images, but measuring needs {MIN_LABELLED}, since every "
                "fifth is held out."
            )
        labelled, held_out = hold_out(labelled)
        train, test = (Split(part.images, part.values) for part in (labelled, held_out))
        return labelled, held_out, fit_to_splits(labelled.attributes, train, test)

    def labelled_images(self, loaded: "Loaded") -> "Labelled":
        """Returns the images directions are learned from: the training split, or all images in the CSV."""
        from jaxvae.data.select import data_set
        from jaxvae.errors import UserError
        from jaxvae.latents.attributes.labels import labelled_split
        from jaxvae.latents.attributes.labels_csv import load_labelled_files

        check_count("--n", self.n, 2**31 - 1, "no set has more images")
        if self.labels:
            return load_labelled_files(self.labels, self.folder or self.labels.parent, loaded.info.data, self.n)
        if self.folder:
            raise UserError(f"--folder is {self.folder}, but its images have no labels; add --labels FILE.csv.")
        return labelled_split(data_set(loaded.info.data, self.data), "train", self.n)


@dataclass(frozen=True)
class Learning:
    """How directions are learned."""

    method: Literal["difference", "logistic", "lda"] = "difference"
    """difference: the step between the mean codes of the classes; logistic or lda: the shortest step (Mahalanobis) that
    raises the score of a logistic regression or of Fisher's discriminant."""
    step: Literal["own", "same"] = "own"
    """What happens at degree 1. own: each image moves to the mean score of those with the attribute (without, if it is
    removed); same: all images move by the step from one mean to the other."""
    orthogonal_to: Names = ()
    """Correlated attributes to keep: the step leaves their scores unchanged."""


def _in_words(took: dict[str, dict[str, float]]) -> str:
    parts = [f"{change} {', '.join(f'{share:.0%} at degree {degree}' for degree, share in shares.items())}"
             for change, shares in took.items()]  # fmt: skip
    return "; ".join(parts) or "not measured"


def result_name(
    add: Sequence[str],
    remove: Sequence[str],
    learning: Learning,
    source: LabelSource,
    to: Sequence[str],
    degrees: Sequence[float],
) -> str:
    """Returns a file name, without suffix, that describes the edit."""
    changes = [*add, *(f"no-{name}" for name in remove)] or ["all"]
    kept = [f"keeping-{name}" for name in learning.orthogonal_to]
    marks = [f"n{source.n}"] if source.n != LabelSource.n else []
    labels = [source.labels.name] if source.labels else []
    by = "-".join(map(number_stem, degrees))
    return (
        f"attribute-{file_stem([*changes, *kept, *labels, *marks, *to])}-{learning.method}-{learning.step}-degree{by}"
    )


def split_run(names: Sequence[str], source: LabelSource) -> tuple[tuple[str, ...], LabelSource]:
    """Returns the attributes that were named, and the source with the run, if the first name is a folder."""
    if not names or source.run is not None or not os.path.isdir(names[0]):
        return tuple(names), source
    return tuple(names[1:]), replace(source, run=Path(names[0]))


@dataclass(frozen=True)
class List:
    """Lists the attributes, their classes, and the number of images of each."""

    names: Annotated[tuple[str, ...], tyro.conf.Positional, tyro.conf.arg(metavar="[RUN]")] = ()
    """The run's folder; defaults to the newest in runs/."""
    source: Annotated[LabelSource, tyro.conf.arg(name="")] = field(default_factory=LabelSource)
    json: bool = False
    """Print the result as one line of JSON."""

    def __call__(self) -> None:
        from jaxvae.errors import UserError
        from jaxvae.latents.attributes.labels import class_counts, direction_names
        from jaxvae.latents.attributes.tables import counts_table
        from jaxvae.runs.run import load

        names, source = split_run(self.names, self.source)
        if names:
            raise UserError(f"{names[0]} is not the folder of a run; list takes nothing else.")
        loaded = load(source.run)
        labelled = source.labelled_images(loaded)
        counts = class_counts(labelled)
        origin = {"run": loaded.info.run, "of": labelled.origin, "n": len(labelled.images)}
        report(self.json, **origin, **({"attributes": counts, "names": direction_names(labelled)} if self.json else {}))
        if not self.json:
            say(*counts_table(counts))


@dataclass(frozen=True)
class Add:
    """Draws images with attributes added and removed, at several strengths.

    RUN, a run's folder, may come first. NAME is sunglasses, or a class of an attribute that has several,
    hair_color=blond. WHICH is test:12, an image file of any size, a folder of them, or an attribute query such as
    sunglasses=0 (the first matching test image).

    Example: python -m jaxvae.attribute add runs/NAME sunglasses --to test:0 test:1
    """

    names: Annotated[tuple[str, ...], tyro.conf.Positional, tyro.conf.arg(metavar="[RUN] NAME ...")] = ()
    """Attributes to add, all at once."""
    remove: Names = ()
    """Attributes to remove at the same time."""
    to: Annotated[tuple[str, ...], tyro.conf.arg(metavar="WHICH ...")] = ("test:0",)
    """The images, one per row."""
    degree: tuple[float, ...] = (0.0, 0.5, 1.0, 1.5)
    """Strengths of the edit, one per column: 0 is the reconstruction, 1 the edit, 1.5 half as much again."""
    learning: Annotated[Learning, tyro.conf.arg(name="")] = field(default_factory=Learning)
    source: Annotated[LabelSource, tyro.conf.arg(name="")] = field(default_factory=LabelSource)
    output: Annotated[Output, tyro.conf.arg(name="")] = field(default_factory=Output)

    def __call__(self) -> None:
        names, source = split_run(self.names, self.source)
        replace(self, names=names, source=source).draw()

    def draw(self) -> None:
        """Draws the sheet; the names are those of attributes alone."""
        import math

        from jaxvae.errors import UserError

        if not self.names and not self.remove:
            raise UserError(
                "nothing to add or remove; name an attribute (python -m jaxvae.attribute list prints them)."
            )
        if not self.to or not self.degree or not all(map(math.isfinite, self.degree)):
            raise UserError("--to and --degree need at least one value each, and degrees must be finite.")

        import numpy as np

        from jaxvae.data.select import expand_folders, select
        from jaxvae.evaluation.unlike import warn_of_unlike_images
        from jaxvae.inference import decode_to_images, encode_means
        from jaxvae.latents.attributes.directions import LabelledCodes
        from jaxvae.latents.attributes.edits import Edit, edit
        from jaxvae.rendering.captions import labelled_grid
        from jaxvae.rendering.grid import save_png
        from jaxvae.runs.run import load

        loaded = load(self.source.run)
        vae, params, info = loaded
        changes = [*(f"+{name}" for name in self.names), *(f"-{name}" for name in self.remove)]
        name = result_name(self.names, self.remove, self.learning, self.source, self.to, self.degree)
        target = self.output.place(info.run / "samples" / f"{name}.png")
        which = expand_folders(self.to)
        originals = np.stack([select(each, self.source.data_description(loaded)) for each in which])
        warn_of_unlike_images(loaded, which, originals)
        learned = LabelledCodes.encode(loaded, self.source.labelled_images(loaded), self.learning.method)
        keep = self.learning.orthogonal_to
        edits = [
            Edit(learned.direction(each, keep), remove)
            for each_of, remove in ((self.names, False), (self.remove, True))
            for each in each_of
        ]
        z = encode_means(vae, params, originals)
        columns = [decode_to_images(vae, params, edit(z, edits, degree, self.learning.step)) for degree in self.degree]
        rows = np.stack([originals, *columns], axis=1)
        over = ["original", *(f"degree {degree:g}" for degree in self.degree)]
        before = [Path(each).name[-MAX_NAME_LENGTH:] for each in which]
        sheet = labelled_grid(
            rows.reshape(-1, *info.shape), len(over), over=over, before=before, title=" ".join(changes)
        )
        save_png(sheet, target)
        took = self.measure(loaded, learned, edits)
        self.output.report(
            picture=target, run=info.run, step=info.step, changes=" ".join(changes), method=self.learning.method,
            step_at_degree_1=self.learning.step, orthogonal_to=list(keep), of=learned.labelled.origin,
            degrees=list(self.degree), to=which, took=took if self.output.json else _in_words(took),
            scores=[{name: float(edit.direction.score(z)[row]) for name, edit in zip(changes, edits, strict=True)}
                    for row in range(len(which))],
        )  # fmt: skip

    def measure(self, loaded: "Loaded", learned: "LabelledCodes", edits: "list[Edit]") -> dict[str, dict[str, float]]:
        """Returns how often each change takes on test images, by degree; warns where that is seldom.

        Labels of a CSV are not measured here: the directions are learned from all of them.
        """
        import logging

        from jaxvae.data.select import data_set
        from jaxvae.latents.attributes.edit_success import DEGREES, advice, edit_success

        if self.source.labels is not None:
            return {}
        changes = [(name, remove) for names, remove in ((self.names, False), (self.remove, True)) for name in names]
        degrees = sorted({*DEGREES, *self.degree})
        prepared = data_set(loaded.info.data, self.source.data)
        measured = edit_success(loaded, learned, prepared, changes, edits, degrees, self.learning.step)
        for each in measured:
            if sentence := advice(each, 1.0 if 1.0 in self.degree else max(self.degree)):
                logging.getLogger("jaxvae").warning(sentence)
        return {each.change: {f"{degree:g}": each.took[degree] for degree in self.degree} for each in measured}


@dataclass(frozen=True)
class Measure:
    """Measures how often an edit succeeds and other attributes stay, judged by a classifier trained on real images.

    RUN, a run's folder, may come first. Edits held-out images that lack the attribute: the test split, or every fifth
    image of a CSV. Another attribute has stayed if the classifier predicts the same class in the edited image as in the
    unedited reconstruction.

    Example: python -m jaxvae.attribute measure runs/NAME sunglasses --degree 1.5
    """

    names: Annotated[tuple[str, ...], tyro.conf.Positional, tyro.conf.arg(metavar="[RUN] NAME ...")] = ()
    """Attributes to add, each on its own; defaults to all of them."""
    remove: Names = ()
    """Attributes to remove, each on its own."""
    degree: float = 1.0
    """Strength of the edit."""
    pictures: int = 500
    """Maximum number of held-out images per edit, sampled at random if there are more."""
    learning: Annotated[Learning, tyro.conf.arg(name="")] = field(default_factory=Learning)
    source: Annotated[LabelSource, tyro.conf.arg(name="")] = field(default_factory=LabelSource)
    out: Path | None = None
    """JSON file to write; defaults to one in the run's evaluation folder, named after the edits."""
    overwrite: bool = False
    """Replace the file named by --out."""
    json: bool = False
    """Print the result as one line of JSON."""

    def __call__(self) -> None:
        names, source = split_run(self.names, self.source)
        replace(self, names=names, source=source).measure()

    def measure(self) -> None:
        """Measures the edits; the names are those of attributes alone."""
        import math
        from contextlib import suppress

        from jaxvae.errors import UserError
        from jaxvae.system.files import new_file, own_file, write_json

        check_count("--pictures", self.pictures, 2**31 - 1, "no set has more images")
        if not math.isfinite(self.degree):
            raise UserError(f"--degree is {self.degree:g}, but must be a finite number.")
        target = new_file(self.out, ".json", self.overwrite)

        from jaxvae.latents.attributes.directions import LabelledCodes
        from jaxvae.latents.attributes.edit_quality import Judge
        from jaxvae.latents.attributes.labels import column_and_value, direction_names
        from jaxvae.latents.attributes.tables import edits_table
        from jaxvae.runs.run import load

        loaded = load(self.source.run)
        info, how = loaded.info, self.learning
        source, held_out, classifier = self.source.train_and_held_out(loaded)
        requested = [*((name, False) for name in self.names), *((name, True) for name in self.remove)]
        for name, _ in requested:  # Checked before the work.
            column_and_value(source, name)
        judge = Judge.build(loaded, LabelledCodes.encode(loaded, source, how.method), held_out, classifier)
        edits = []
        for name, remove in requested or [(name, False) for name in direction_names(source)]:
            # If all are measured, those with too few examples are skipped.
            with suppress(*(() if requested else (UserError,))):
                edits.append(
                    judge.measure(
                        name,
                        remove=remove,
                        degree=self.degree,
                        step=how.step,
                        keep=how.orthogonal_to,
                        most=self.pictures,
                    )
                )
        if not edits:
            raise UserError(f"no attribute of {source.origin} has enough examples to measure.")
        stem = result_name(self.names, self.remove, how, self.source, [], [self.degree])
        target = target or own_file(info.run, info.run / "evaluation" / f"{stem}.json")
        result = {
            "run": str(info.run), "step": info.step, "of": source.origin, "learned_from": len(source.images),
            "method": how.method, "step_at_degree_1": how.step, "orthogonal_to": list(how.orthogonal_to),
            "degree": self.degree, "edits": edits, "classifier": judge.classifier_report(),
        }  # fmt: skip
        write_json(target, result)
        if self.json:
            report(True, file=target, **result)
        else:
            say(*edits_table(edits, judge.classifier_report()))
            report(False, file=target, run=info.run, step=info.step)


Do = Annotated[
    Annotated[List, tyro.conf.subcommand("list")]
    | Annotated[Add, tyro.conf.subcommand("add")]
    | Annotated[Measure, tyro.conf.subcommand("measure")],
    tyro.conf.arg(name=""),
]


def attribute(do: Do = List()) -> None:
    """Adds, removes and measures attributes of images as directions in latent space.

    See also the help of each subcommand: python -m jaxvae.attribute add --help.
    """
    do()


if __name__ == "__main__":
    run_command(attribute, "attribute")
