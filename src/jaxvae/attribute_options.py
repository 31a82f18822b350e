"""What the subcommands of `python -m jaxvae.attribute` share: where labels come from and how directions are learned."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import tyro

from jaxvae.cli import file_stem

if TYPE_CHECKING:
    from jaxvae.evaluation.classifier import Classifier
    from jaxvae.latents.labels import Labelled
    from jaxvae.run import Loaded

HELD_OUT = 5000  # The most held-out pictures that are encoded.
FEWEST_TO_HOLD_OUT = 25

Names = Annotated[tuple[str, ...], tyro.conf.arg(metavar="NAME ...")]


@dataclass(frozen=True)
class Source:
    """The run, and where labels come from."""

    run: Path | None = None
    """The run's folder; the newest in runs/ when left out."""
    labels: Path | None = None
    """Labels from this CSV, in the place of those of the data set: a column `file`, and for each attribute one of 0
    and 1 or of names of classes; an empty cell is not known."""
    folder: Path | None = None
    """What the files of --labels are relative to; the folder of the CSV when left out."""
    data: Path | None = None
    """The prepared data set, where it is no longer where the run found it."""
    n: int = 10_000
    """The most pictures that directions are learned from; drawn where there are more."""

    def about(self, loaded: "Loaded") -> dict[str, Any]:
        """The JSON of the data set, at the place where it is."""
        return {**loaded.info.data, "path": str(self.data)} if self.data else loaded.info.data

    def apart(self, loaded: "Loaded") -> "tuple[Labelled, Labelled, Classifier]":
        """Pictures to learn directions from, others that are held out, and a classifier that has not seen these."""
        from jaxvae.data.prepared import Split
        from jaxvae.data.select import data_set
        from jaxvae.errors import UserError
        from jaxvae.evaluation.classifier import fit_classifier, fit_to
        from jaxvae.latents.labels import labelled_split
        from jaxvae.latents.labels_csv import held_apart

        learned = self.learned_from(loaded)
        if self.labels is None:
            prepared = data_set(loaded.info.data, self.data)
            return learned, labelled_split(prepared, "test", HELD_OUT), fit_classifier(prepared)
        if len(learned.images) < FEWEST_TO_HOLD_OUT:
            raise UserError(
                f"{self.labels} labels {len(learned.images)} pictures, but measuring needs {FEWEST_TO_HOLD_OUT}: every "
                "fifth is held out."
            )
        learned, held_out = held_apart(learned)
        of, others = (Split(each.images, each.values) for each in (learned, held_out))
        return learned, held_out, fit_to(learned.attributes, of, others)

    def learned_from(self, loaded: "Loaded") -> "Labelled":
        """The pictures that directions are learned from: the training split, or all that the CSV names."""
        from jaxvae.data.select import data_set
        from jaxvae.errors import UserError
        from jaxvae.latents.labels import labelled_split
        from jaxvae.latents.labels_csv import labelled_files

        if self.n < 1:
            raise UserError(f"--n is {self.n}, but must be at least 1.")
        if self.labels:
            return labelled_files(self.labels, self.folder or self.labels.parent, loaded.info.data, self.n)
        if self.folder:
            raise UserError(f"--folder is {self.folder}, but its pictures have no labels; add --labels FILE.csv.")
        return labelled_split(data_set(loaded.info.data, self.data), "train", self.n)


@dataclass(frozen=True)
class Learning:
    """How directions are learned."""

    method: Literal["difference", "logistic", "lda"] = "difference"
    """Along the difference of the mean codes of the classes; or the score of a logistic regression or of Fisher's
    discriminant, raised by the shortest step among the codes."""
    step: Literal["own", "same"] = "own"
    """At degree 1 each picture makes its own step, to the mean score of those with the attribute (of those without, for
    one removed), or all make the same step, from the one mean to the other."""
    orthogonal_to: Names = ()
    """Attributes that go along with it and are to stay: the step leaves their scores as they are."""


def result_name(
    add: Sequence[str],
    remove: Sequence[str],
    learning: Learning,
    source: Source,
    to: Sequence[str],
    degrees: Sequence[float],
) -> str:
    """A file name, without suffix, that says what was asked."""
    changes = [*add, *(f"no-{name}" for name in remove)] or ["all"]
    kept = [f"keeping-{name}" for name in learning.orthogonal_to]
    marks = [f"n{source.n}"] if source.n != Source.n else []
    labels = [source.labels.name] if source.labels else []
    by = "-".join(map("{:g}".format, degrees))
    return (
        f"attribute-{file_stem([*changes, *kept, *labels, *marks, *to])}-{learning.method}-{learning.step}-degree{by}"
    )
