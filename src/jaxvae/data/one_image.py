"""Tells a data set [n, h, w] of grey images from one colour image [h, w, c]; needs no JAX."""

from jaxvae.errors import UserError

SMALL = 8  # Sides below which [n, h, w] is never taken for one image with channels last.


def refuse_one_image(what: str, shape: tuple[int, ...]) -> None:
    """Raises `UserError` if [n, h, w] is rather one colour image; `what` begins the sentence, up to the shape."""
    if shape[2] in (3, 4) and min(shape[:2]) >= SMALL:
        raise UserError(
            f"{what} {list(shape)}, which looks like one colour image; a data set of one image is {[1, *shape]}, and "
            f"{shape[0]} grey images are {[*shape, 1]}."
        )
