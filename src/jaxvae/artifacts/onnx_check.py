"""Compares an ONNX model with the part that it was made of."""

from typing import Any

import jax
import numpy as np

from jaxvae.artifacts.parts import Part
from jaxvae.errors import UserError

TOLERANCE = 1e-5  # Of the range of the values.


def onnx_error(content: bytes, part: Part, *inputs: np.ndarray) -> float:
    """Returns the largest difference from the part, as a share of the range of an output; it is raised if too large.

    Args:
        content: the ONNX model.
        part: what it was made of.
        inputs: arrays for it, which are passed whole, and the first of them alone.

    Raises:
        UserError: the difference is above `TOLERANCE`.
    """
    session, largest = open_session(content), 0.0
    with jax.default_matmul_precision("highest"):
        expected = jax.device_get(jax.jit(part.call)(*inputs))
    names = [port.name for port in part.outputs]
    for rows in (slice(None), slice(0, 1)):
        fed = {port.name: array[rows] for port, array in zip(part.inputs, inputs, strict=True)}
        for name, found in zip(names, session.run(names, fed), strict=True):
            wanted = np.asarray(expected[name])
            span = max(float(np.ptp(wanted)), float(np.abs(wanted).max()), 1e-30)
            largest = max(largest, float(np.abs(found - wanted[rows]).max()) / span)
    if not largest <= TOLERANCE:
        raise UserError(
            f"the ONNX form of the {part.name} differs from the model by {largest:.2g} of its range, more than "
            f"{TOLERANCE:g}; nothing was written. Export it with --as stablehlo."
        )
    return largest


def open_session(content: bytes) -> Any:
    """Returns ONNX Runtime's session on the CPU."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # Errors only: it warns of constants that it folds.
    return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
