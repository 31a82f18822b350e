"""`python -m jaxvae.attribute add`: pictures with attributes added and removed, by degrees."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import tyro

from jaxvae.attribute_options import Learning, Names, Source, result_name
from jaxvae.cli import Output

LONGEST = 20  # Characters of a picture's name beside its row.


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

        from jaxvae.data.select import named, select
        from jaxvae.labelled import labelled_grid
        from jaxvae.latents.directions import Learned
        from jaxvae.latents.edits import Edit, edited
        from jaxvae.latents.pictures import codes, decoded
        from jaxvae.render import save_png
        from jaxvae.run import load

        loaded = load(self.source.run)
        vae, params, info = loaded
        changes = [*(f"+{name}" for name in self.names), *(f"-{name}" for name in self.remove)]
        name = result_name(self.names, self.remove, self.learning, self.source, self.to, self.degree)
        target = self.output.place(info.run / "samples" / f"{name}.png")
        which = named(self.to)
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
