"""`python -m jaxvae.attribute measure`: how often edits take, and how often the rest stays."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import tyro

from jaxvae.attribute_options import Learning, Names, Source, result_name
from jaxvae.cli import report


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
        from jaxvae.evaluation.files import new_file, write_json

        if self.pictures < 1:
            raise UserError(f"--pictures is {self.pictures}, but must be at least 1.")
        if not math.isfinite(self.degree):
            raise UserError(f"--degree is {self.degree:g}, but must be a finite number.")
        target = new_file(self.out, ".json", self.overwrite)

        from jaxvae.latents.attribute_tables import of_edits
        from jaxvae.latents.directions import Learned
        from jaxvae.latents.edit_quality import Judge
        from jaxvae.latents.labels import column_and_value, names
        from jaxvae.run import load

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
