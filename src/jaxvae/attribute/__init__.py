"""`python -m jaxvae.attribute list|add|measure`: add attributes to images and remove them."""

from typing import Annotated

import tyro

from jaxvae.attribute.add import Add
from jaxvae.attribute.listing import List
from jaxvae.attribute.measure import Measure

Do = Annotated[
    Annotated[List, tyro.conf.subcommand("list")]
    | Annotated[Add, tyro.conf.subcommand("add")]
    | Annotated[Measure, tyro.conf.subcommand("measure")],
    tyro.conf.arg(name=""),
]


def attribute(do: Do = List()) -> None:
    """Adds and removes attributes of images by moving their codes, and measures how often that succeeds.

    Each subcommand explains itself: python -m jaxvae.attribute add --help.

    Examples: python -m jaxvae.attribute list runs/NAME
    python -m jaxvae.attribute add runs/NAME sunglasses --images test:0 test:1
    """
    do()
