"""`python -m jaxvae.attribute list|add|measure`: attributes added to pictures and taken from them."""

from dataclasses import dataclass, field
from typing import Annotated

import tyro

from jaxvae.attribute_add import Add
from jaxvae.attribute_measure import Measure
from jaxvae.attribute_options import Source
from jaxvae.cli import report, run_command


@dataclass(frozen=True)
class List:
    """Names the attributes, their classes, and how many pictures there are of each."""

    source: Annotated[Source, tyro.conf.arg(name="")] = field(default_factory=Source)
    json: bool = False
    """Print the result as one line of JSON."""

    def __call__(self) -> None:
        from jaxvae.latents.attribute_tables import of_counts
        from jaxvae.latents.labels import class_counts, names
        from jaxvae.run import load

        loaded = load(self.source.run)
        labelled = self.source.learned_from(loaded)
        counts = class_counts(labelled)
        asked = {"run": loaded.info.run, "of": labelled.origin, "n": len(labelled.images)}
        report(self.json, **asked, **({"attributes": counts, "names": names(labelled)} if self.json else {}))
        if not self.json:
            print("\n".join(of_counts(counts)))


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
