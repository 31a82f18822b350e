"""`python -m jaxvae.attribute measure`: how often an edit succeeds, and other attributes stay."""

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated

import tyro

from jaxvae.attribute.source import LabelSource, Learning, Names, RunAndNames, result_name, split_run
from jaxvae.cli import check_count, report, say


@dataclass(frozen=True)
class Measure:
    """Measures how often an edit succeeds and other attributes stay, judged by a classifier trained on real images.

    Edits held-out images that lack the attribute: the test split, or every fifth
    image of a CSV. Another attribute has stayed if the classifier predicts the same class in the edited image as in the
    unedited reconstruction.

    Examples: python -m jaxvae.attribute measure runs/NAME sunglasses --degree 1.5
    python -m jaxvae.attribute measure runs/NAME --method lda --json
    """

    names: RunAndNames = ()
    """The run's folder, which defaults to the newest in runs/, then the attributes to add, each on its own; defaults to
    all of them."""
    remove: Names = ()
    """Attributes to remove, each on its own."""
    degree: float = 1.0
    """Strength of the edit."""
    exchange: bool = False
    """Exchange attributes as `interpolate --with` does, instead of moving codes by --method."""
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
        if self.exchange and self.learning != Learning():
            raise UserError("--exchange moves codes in its own way; omit --method, --step and --orthogonal-to.")
        if self.exchange and self.source.labels is not None:
            raise UserError("--exchange is about the attributes of the data set; it cannot be used with --labels.")
        if not math.isfinite(self.degree):
            raise UserError(f"--degree is {self.degree:g}, but must be a finite number.")
        target = new_file(self.out, ".json", self.overwrite)
        self.learning.check()
        self.source.check()

        from jaxvae.latents.attributes.directions import LabelledCodes
        from jaxvae.latents.attributes.edit_quality import Judge, require_removable
        from jaxvae.latents.attributes.exchange import Exchange
        from jaxvae.latents.attributes.labels import column_and_value, direction_names
        from jaxvae.latents.attributes.tables import edits_table
        from jaxvae.runs.run import load

        loaded = load(self.source.run)
        info, how = loaded.info, self.learning
        labelled = self.source.labelled_images(loaded)
        requested = [*((name, False) for name in self.names), *((name, True) for name in self.remove)]
        # Checked before the work.
        for name in (*self.names, *self.remove, *how.orthogonal_to):
            column_and_value(labelled, name)
        for name in self.remove if self.exchange else ():
            require_removable(labelled, name)
        source, held_out, classifier = self.source.train_and_held_out(loaded, labelled)
        judge = Judge.build(loaded, LabelledCodes.encode(loaded, source), held_out, classifier)
        exchange = Exchange.learn(loaded, source) if self.exchange else None
        edits = []
        for name, remove in requested or [(name, False) for name in direction_names(source)]:
            # If all are measured, those with too few examples are skipped.
            with suppress(*(() if requested else (UserError,))):
                edits.append(
                    judge.measure_exchange(exchange, name, remove=remove, degree=self.degree, most=self.pictures)
                    if exchange
                    else judge.measure(
                        name,
                        remove=remove,
                        degree=self.degree,
                        method=how.method,
                        step=how.step,
                        keep=how.orthogonal_to,
                        most=self.pictures,
                    )
                )
        if not edits:
            raise UserError(f"no attribute of {source.origin} has enough examples to measure.")
        stem = "exchange-" * self.exchange + result_name(self.names, self.remove, how, self.source, [], [self.degree])
        target = target or own_file(info.run, info.run / "evaluation" / f"{stem}.json")
        directions = {
            "method": how.method, "step_at_degree_1": how.step, "orthogonal_to": list(how.orthogonal_to),
        }  # fmt: skip
        result = {
            "run": str(info.run), "step": info.step, "of": source.origin, "learned_from": len(source.images),
            **({} if exchange else directions),
            "degree": self.degree, "exchange": self.exchange, "edits": edits, "classifier": judge.classifier_report(),
        }  # fmt: skip
        write_json(target, result)
        if self.json:
            report(True, file=target, **result)
        else:
            say(*edits_table(edits, judge.classifier_report()))
            report(False, file=target, run=info.run, step=info.step)
