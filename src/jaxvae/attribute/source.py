"""What directions are learned from: the run, its labels, and how; the same for each subcommand."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import tyro

from jaxvae.cli import check_count
from jaxvae.system.files import expand_user, file_stem, number_stem

if TYPE_CHECKING:
    from jaxvae.latents.attributes.classifier import Classifier
    from jaxvae.latents.attributes.labels import Labelled
    from jaxvae.runs.run import Loaded

MAX_HELD_OUT = 5000  # Maximum number of held-out images to encode.
MIN_LABELLED = 25

Names = Annotated[tuple[str, ...], tyro.conf.arg(metavar="NAME ...")]
RunAndNames = Annotated[tuple[str, ...], tyro.conf.Positional, tyro.conf.arg(metavar="[RUN] [NAME ...]")]


@dataclass(frozen=True)
class LabelSource:
    """The run, and the labels that directions are learned from."""

    run: Annotated[Path | None, tyro.conf.Suppress] = None
    labels: Path | None = None
    """CSV of labels to use instead of the dataset's: a column `file`, and a column per attribute with 0 and 1 or class
    names; empty cells are unknown."""
    folder: Path | None = None
    """Folder that the files in --labels are relative to; defaults to the folder of the CSV."""
    data: Path | None = None
    """The prepared dataset, if it has moved since the run was trained."""
    n: int = 10_000
    """Maximum number of images to learn directions from, sampled at random if there are more."""

    def check(self) -> None:
        """Raises `UserError` for flags that are wrong for any run, and if there is no such run."""
        from jaxvae.errors import UserError
        from jaxvae.runs.presence import require_run

        check_count("--n", self.n, 2**31 - 1, "no set has more images")
        if self.folder and not self.labels:
            raise UserError(f"--folder is {self.folder}, but its images have no labels; add --labels FILE.csv.")
        require_run(self.run)

    def data_description(self, loaded: "Loaded") -> dict[str, Any]:
        """Returns the JSON description of the dataset, with its current path."""
        return {**loaded.info.data, "path": str(self.data)} if self.data else loaded.info.data

    def train_and_held_out(self, loaded: "Loaded", labelled: "Labelled") -> "tuple[Labelled, Labelled, Classifier]":
        """Divides the images of `labelled_images`.

        Returns:
            Images to learn a change from, held-out images, and a classifier that was not trained on the latter.
        """
        from jaxvae.data.prepared import Split
        from jaxvae.data.select import data_set
        from jaxvae.errors import UserError
        from jaxvae.latents.attributes.classifier import fit_classifier, fit_to_splits
        from jaxvae.latents.attributes.labels import labelled_split
        from jaxvae.latents.attributes.labels_csv import hold_out

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
        from jaxvae.latents.attributes.labels import labelled_split
        from jaxvae.latents.attributes.labels_csv import load_labelled_files

        if self.labels:
            return load_labelled_files(self.labels, self.folder or self.labels.parent, loaded.info.data, self.n)
        return labelled_split(data_set(loaded.info.data, self.data), "train", self.n)


@dataclass(frozen=True)
class Learning:
    """How the change is learned."""

    method: Literal["transport", "difference", "logistic", "lda"] = "transport"
    """transport: moves codes from where those without the attribute lie to where those with it lie (optimal transport
    between two Gaussians), looks at the images once and corrects the step; the others move codes along a direction.
    difference: the step between the mean codes of the classes; logistic or lda: the shortest step (Mahalanobis) that
    raises the score of a logistic regression or of Fisher's discriminant."""
    step: Literal["own", "same"] = "own"
    """What happens at degree 1. own: each image moves by a step of its own, until it scores as those with the attribute
    do (without, if it is removed); same: all images move by the step from one mean to the other, along a direction."""
    orthogonal_to: Names = ()
    """Attributes to keep: the step leaves their scores unchanged; that of a transport, before it is corrected."""

    def check(self) -> None:
        """Raises `UserError` for a transport that is to move all images by the same step."""
        from jaxvae.errors import UserError

        if self.method == "transport" and self.step != "own":
            raise UserError(
                f"--step is {self.step!r}, but a transport moves each image by a step of its own; add --method "
                "difference, or leave --step out."
            )


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


def split_run(words: Sequence[str], source: LabelSource) -> tuple[tuple[str, ...], LabelSource]:
    """Returns the attributes that were named, and the source with the run, if the first word is the folder of one."""
    if not words or not (os.path.isdir(words[0]) or words[0].startswith(("runs/", "./", "../", "/", "~"))):
        return tuple(words), source
    return tuple(words[1:]), replace(source, run=expand_user(words[0]))
