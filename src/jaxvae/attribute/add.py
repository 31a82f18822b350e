"""`python -m jaxvae.attribute add`: images with attributes added and removed."""

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

from jaxvae.attribute.source import LabelSource, Learning, Names, RunAndNames, result_name, split_run
from jaxvae.cli import Output

if TYPE_CHECKING:
    from jaxvae.latents.attributes.change import Change, Request
    from jaxvae.latents.attributes.directions import LabelledCodes
    from jaxvae.runs.run import Loaded

MAX_NAME_LENGTH = 20  # Characters of an image's name in front of its row.


@dataclass(frozen=True)
class Add:
    """Draws images with attributes added and removed, at several strengths.

    NAME is sunglasses, or a class of an attribute that has several, hair_color=blond. WHICH is test:12, an image file
    of any size, a folder of them, or an attribute query such as sunglasses=0 (the first matching test image).

    Examples: python -m jaxvae.attribute add runs/NAME sunglasses --images test:0 me.jpg
    python -m jaxvae.attribute add sunglasses hat --remove beard --degree 0 1 2
    """

    names: RunAndNames = ()
    """The run's folder, which defaults to the newest in runs/, then the attributes to add, all at once."""
    remove: Names = ()
    """Attributes to remove at the same time."""
    images: Annotated[tuple[str, ...], tyro.conf.arg(metavar="WHICH ...")] = ("test:0",)
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
        if not self.images or not self.degree or not all(map(math.isfinite, self.degree)):
            raise UserError("--images and --degree need at least one value each, and degrees must be finite.")

        self.output.check()
        self.learning.check()
        self.source.check()

        import numpy as np

        from jaxvae.data.select import expand_folders, select
        from jaxvae.evaluation.unlike import warn_of_unlike_images
        from jaxvae.inference import decode_to_images, encode_means
        from jaxvae.latents.attributes.change import build_change, changed
        from jaxvae.latents.attributes.directions import LabelledCodes
        from jaxvae.latents.attributes.labels import column_and_value
        from jaxvae.rendering.captions import labelled_grid
        from jaxvae.rendering.grid import save_png
        from jaxvae.runs.run import load

        loaded = load(self.source.run)
        vae, params, info = loaded
        changes = [*(f"+{name}" for name in self.names), *(f"-{name}" for name in self.remove)]
        name = result_name(self.names, self.remove, self.learning, self.source, self.images, self.degree)
        target = self.output.place(info.run / "samples" / f"{name}.png")
        labelled = self.source.labelled_images(loaded)
        for each in (*self.names, *self.remove, *self.learning.orthogonal_to):  # Checked before the work.
            column_and_value(labelled, each)
        which = expand_folders(self.images)
        originals = np.stack([select(each, self.source.data_description(loaded)) for each in which])
        warn_of_unlike_images(loaded, which, originals)
        learned = LabelledCodes.encode(loaded, labelled)
        keep = self.learning.orthogonal_to
        requests = [(each, remove) for of, remove in ((self.names, False), (self.remove, True)) for each in of]
        change = build_change(learned, requests, self.learning.method, self.learning.step, keep)
        z = encode_means(vae, params, originals)
        steps = change.steps(z)
        columns = [decode_to_images(vae, params, changed(z, steps, degree)) for degree in self.degree]
        rows = np.stack([originals, *columns], axis=1)
        over = ["original", *(f"degree {degree:g}" for degree in self.degree)]
        before = [Path(each).name[-MAX_NAME_LENGTH:] for each in which]
        sheet = labelled_grid(
            rows.reshape(-1, *info.shape), len(over), over=over, before=before, title=" ".join(changes)
        )
        save_png(sheet, target)
        took = self.measure(loaded, learned, requests, change)
        self.output.report(
            picture=target, run=info.run, step=info.step, changes=" ".join(changes), method=self.learning.method,
            step_at_degree_1=self.learning.step, orthogonal_to=list(keep), of=learned.labelled.origin,
            degrees=list(self.degree), images=which, took=took if self.output.json else _in_words(took),
            scores=[{name: float(score[row]) for name, score in zip(changes, change.scores(z), strict=True)}
                    for row in range(len(which))],
        )  # fmt: skip

    def measure(
        self, loaded: "Loaded", learned: "LabelledCodes", requests: "list[Request]", change: "Change"
    ) -> dict[str, dict[str, float]]:
        """Returns how often each change takes on test images, by degree; warns where that is seldom.

        Labels of a CSV are not measured here: the change is learned from all of them.
        """
        import logging

        from jaxvae.data.select import data_set
        from jaxvae.latents.attributes.edit_success import DEGREES, advice, edit_success

        if self.source.labels is not None:
            return {}
        degrees = sorted({*DEGREES, *self.degree})
        prepared = data_set(loaded.info.data, self.source.data)
        measured = edit_success(loaded, learned, prepared, requests, change, degrees)
        for each in measured:
            if sentence := advice(each, 1.0 if 1.0 in self.degree else max(self.degree)):
                logging.getLogger("jaxvae").warning(sentence)
        return {each.change: {f"{degree:g}": each.took[degree] for degree in self.degree} for each in measured}


def _in_words(took: dict[str, dict[str, float]]) -> str:
    parts = [f"{change} {', '.join(f'{share:.0%} at degree {degree}' for degree, share in shares.items())}"
             for change, shares in took.items()]  # fmt: skip
    return "; ".join(parts) or "not measured"
