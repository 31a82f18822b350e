"""`python -m jaxvae.attribute list|add|measure`: attributes added to pictures and taken from them."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import tyro

from jaxvae.cli import Output, report, run_command
from jaxvae.system.files import file_stem

if TYPE_CHECKING:
    from jaxvae.latents.attributes.classifier import Classifier
    from jaxvae.latents.attributes.labels import Labelled
    from jaxvae.runs.run import Loaded


LONGEST = 20  # Characters of a picture's name beside its row.


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
        from jaxvae.latents.attributes.classifier import fit_classifier, fit_to
        from jaxvae.latents.attributes.labels import labelled_split
        from jaxvae.latents.attributes.labels_csv import held_apart

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
        from jaxvae.latents.attributes.labels import labelled_split
        from jaxvae.latents.attributes.labels_csv import labelled_files

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


@dataclass(frozen=True)
class List:
    """Names the attributes, their classes, and how many pictures there are of each."""

    source: Annotated[Source, tyro.conf.arg(name="")] = field(default_factory=Source)
    json: bool = False
    """Print the result as one line of JSON."""

    def __call__(self) -> None:
        from jaxvae.latents.attributes.labels import class_counts, names
        from jaxvae.latents.attributes.tables import of_counts
        from jaxvae.runs.run import load

        loaded = load(self.source.run)
        labelled = self.source.learned_from(loaded)
        counts = class_counts(labelled)
        asked = {"run": loaded.info.run, "of": labelled.origin, "n": len(labelled.images)}
        report(self.json, **asked, **({"attributes": counts, "names": names(labelled)} if self.json else {}))
        if not self.json:
            print("\n".join(of_counts(counts)))


@dataclass(frozen=True)
class Add:
    """Draws pictures with attributes added and removed, by degrees.

    NAME is sunglasses, or a class of an attribute that has several, hair_color=blond. WHICH is test:12, an image file
    of any size, a folder of them, or a wish such as sunglasses=0 (the first test picture that fits).
    """

    names: Annotated[tuple[str, ...], tyro.conf.Positional, tyro.conf.arg(metavar="NAME ...")] = ()
    """Attributes to add; several are added together."""
    remove: Names = ()
    """Attributes to remove at the same time."""
    to: Annotated[tuple[str, ...], tyro.conf.arg(metavar="WHICH ...")] = ("test:0",)
    """The pictures, one in each row."""
    degree: tuple[float, ...] = (0.0, 0.5, 1.0, 1.5)
    """How far: 0 is the reconstruction, 1 the edit, 1.5 half as much more. A column each."""
    learning: Annotated[Learning, tyro.conf.arg(name="")] = field(default_factory=Learning)
    source: Annotated[Source, tyro.conf.arg(name="")] = field(default_factory=Source)
    output: Annotated[Output, tyro.conf.arg(name="")] = field(default_factory=Output)

    def __call__(self) -> None:
        import math

        from jaxvae.errors import UserError

        if not self.names and not self.remove:
            raise UserError("nothing is to be added or removed; name an attribute, or ask attribute list for them.")
        if not self.to or not self.degree or not all(map(math.isfinite, self.degree)):
            raise UserError("--to and --degree need one or more values, and degrees must be finite numbers.")

        import numpy as np

        from jaxvae.data.select import expand_folders, select
        from jaxvae.inference import codes, decoded
        from jaxvae.latents.attributes.directions import Learned
        from jaxvae.latents.attributes.edits import Edit, edited
        from jaxvae.rendering.captions import labelled_grid
        from jaxvae.rendering.grid import save_png
        from jaxvae.runs.run import load

        loaded = load(self.source.run)
        vae, params, info = loaded
        changes = [*(f"+{name}" for name in self.names), *(f"-{name}" for name in self.remove)]
        name = result_name(self.names, self.remove, self.learning, self.source, self.to, self.degree)
        target = self.output.place(info.run / "samples" / f"{name}.png")
        which = expand_folders(self.to)
        originals = np.stack([select(each, self.source.about(loaded)) for each in which])
        learned = Learned.of(loaded, self.source.learned_from(loaded), self.learning.method)
        keep = self.learning.orthogonal_to
        edits = [
            Edit(learned.direction(each, keep), remove)
            for each_of, remove in ((self.names, False), (self.remove, True))
            for each in each_of
        ]
        z = codes(vae, params, originals)
        columns = [decoded(vae, params, edited(z, edits, degree, self.learning.step)) for degree in self.degree]
        rows = np.stack([originals, *columns], axis=1)
        over = ["original", *(f"degree {degree:g}" for degree in self.degree)]
        before = [Path(each).name[-LONGEST:] for each in which]
        sheet = labelled_grid(
            rows.reshape(-1, *info.shape), len(over), over=over, before=before, title=" ".join(changes)
        )
        save_png(sheet, target)
        self.output.report(
            picture=target, run=info.run, step=info.step, changes=" ".join(changes), method=self.learning.method,
            step_at_degree_1=self.learning.step, orthogonal_to=list(keep), of=learned.labelled.origin,
            degrees=list(self.degree), to=which,
            scores=[{name: float(edit.direction.score(z)[row]) for name, edit in zip(changes, edits, strict=True)}
                    for row in range(len(which))],
        )  # fmt: skip


@dataclass(frozen=True)
class Measure:
    """Says how often an edit takes, and how often the other attributes stay, as a classifier of real pictures sees it.

    Held-out pictures that lack the attribute are edited: the test split, or every fifth picture of a CSV. Another
    attribute has stayed where the classifier sees it in the edited picture as in the reconstruction without the edit.
    """

    names: Annotated[tuple[str, ...], tyro.conf.Positional, tyro.conf.arg(metavar="NAME ...")] = ()
    """Attributes to add, each alone; all of them when none is named."""
    remove: Names = ()
    """Attributes to remove, each alone."""
    degree: float = 1.0
    """How far."""
    pictures: int = 500
    """The most held-out pictures for each; drawn where there are more."""
    learning: Annotated[Learning, tyro.conf.arg(name="")] = field(default_factory=Learning)
    source: Annotated[Source, tyro.conf.arg(name="")] = field(default_factory=Source)
    out: Path | None = None
    """JSON file to write; without it one in the run's evaluation folder, named after what was asked."""
    overwrite: bool = False
    """Replace the file that --out names."""
    json: bool = False
    """Print the result as one line of JSON."""

    def __call__(self) -> None:
        import math
        from contextlib import suppress

        from jaxvae.errors import UserError
        from jaxvae.system.files import new_file, write_json

        if self.pictures < 1:
            raise UserError(f"--pictures is {self.pictures}, but must be at least 1.")
        if not math.isfinite(self.degree):
            raise UserError(f"--degree is {self.degree:g}, but must be a finite number.")
        target = new_file(self.out, ".json", self.overwrite)

        from jaxvae.latents.attributes.directions import Learned
        from jaxvae.latents.attributes.edit_quality import Judge
        from jaxvae.latents.attributes.labels import column_and_value, names
        from jaxvae.latents.attributes.tables import of_edits
        from jaxvae.runs.run import load

        loaded = load(self.source.run)
        info, how = loaded.info, self.learning
        source, held_out, classifier = self.source.apart(loaded)
        asked = [*((name, False) for name in self.names), *((name, True) for name in self.remove)]
        for name, _ in asked:  # Before the work.
            column_and_value(source, name)
        judge = Judge.of(loaded, Learned.of(loaded, source, how.method), held_out, classifier)
        edits = []
        for name, remove in asked or [(name, False) for name in names(source)]:
            # Where all are asked for, those that cannot be measured are passed over.
            with suppress(*(() if asked else (UserError,))):
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
            raise UserError(f"no attribute of {source.origin} has examples enough to be measured.")
        stem = result_name(self.names, self.remove, how, self.source, [], [self.degree])
        target = target or info.run / "evaluation" / f"{stem}.json"
        result = {
            "run": str(info.run), "step": info.step, "of": source.origin, "learned_from": len(source.images),
            "method": how.method, "step_at_degree_1": how.step, "orthogonal_to": list(how.orthogonal_to),
            "degree": self.degree, "edits": edits, "classifier": judge.classifier_report(),
        }  # fmt: skip
        write_json(target, result)
        if self.json:
            report(True, file=target, **result)
        else:
            print("\n".join(of_edits(edits, judge.classifier_report())))
            report(False, file=target, run=info.run, step=info.step)


Do = Annotated[
    Annotated[List, tyro.conf.subcommand("list")]
    | Annotated[Add, tyro.conf.subcommand("add")]
    | Annotated[Measure, tyro.conf.subcommand("measure")],
    tyro.conf.arg(name=""),
]


def attribute(do: Do = List()) -> None:
    """Attributes of pictures as directions in latent space: listed, added and removed, measured.

    Each subcommand explains itself: python -m jaxvae.attribute add --help.
    """
    do()


if __name__ == "__main__":
    run_command(attribute, "attribute")
