"""`python -m jaxvae.attribute list`: which attributes there are."""

from dataclasses import dataclass, field
from typing import Annotated

import tyro

from jaxvae.attribute.source import LabelSource, split_run
from jaxvae.cli import report, say


@dataclass(frozen=True)
class List:
    """Lists the attributes, their classes, and the number of images of each.

    Example: python -m jaxvae.attribute list runs/NAME
    """

    names: Annotated[tuple[str, ...], tyro.conf.Positional, tyro.conf.arg(metavar="[RUN]")] = ()
    """The run's folder; defaults to the newest in runs/."""
    source: Annotated[LabelSource, tyro.conf.arg(name="")] = field(default_factory=LabelSource)
    json: bool = False
    """Print the result as one line of JSON."""

    def __call__(self) -> None:
        from jaxvae.errors import UserError

        names, source = split_run(self.names, self.source)
        if names:
            raise UserError(f"{names[0]} is not the folder of a run; list takes nothing else.")
        source.check()

        from jaxvae.latents.attributes.labels import class_counts, direction_names
        from jaxvae.latents.attributes.tables import counts_table
        from jaxvae.runs.run import load

        loaded = load(source.run)
        labelled = source.labelled_images(loaded)
        counts = class_counts(labelled)
        origin = {"run": loaded.info.run, "of": labelled.origin, "n": len(labelled.images)}
        report(self.json, **origin, **({"attributes": counts, "names": direction_names(labelled)} if self.json else {}))
        if not self.json:
            say(*counts_table(counts))
