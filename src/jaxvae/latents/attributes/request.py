"""Draws on request: `--with sunglasses=1 beard --without hat` as values of attributes, and a prior under them."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import jax
import numpy as np
from jaxtyping import Int, UInt8

from jaxvae.distributions.levels import Levels
from jaxvae.errors import UserError, suggest
from jaxvae.inference import BATCH_SIZE, sample_images
from jaxvae.keys import key_for
from jaxvae.labels import UNKNOWN
from jaxvae.priors.flow_matching import FlowMatching
from jaxvae.priors.row_prior import RowPrior
from jaxvae.runs.run import Loaded, default_prior, prior_of
from jaxvae.system.files import file_stem
from jaxvae.told import tell, weights_of
from jaxvae.vae import Params, Prior

GUIDANCE = 2.0  # By default: of the avatars, four of five requested attributes show at it, and three of five at 1.

KNOWS_ATTRIBUTES = "fitted_flow_matching"  # The kind of prior that can be requested.

Request = Int[np.ndarray, " a"]
Labels = Int[np.ndarray, "*n a"]


def parse_request(data: dict[str, Any], with_: Sequence[str], without: Sequence[str] = ()) -> Request:
    """Returns the requested value of each attribute of a data set, `UNKNOWN` for any.

    Args:
        data: the description of the data set that the run was trained on.
        with_: NAME, NAME=1, or NAME=CLASS.
        without: NAME of attributes with the values 0 and 1.

    Raises:
        UserError: an attribute or a value is unknown, or the request contradicts itself.
    """
    names, classes = list(data["attributes"]), data["classes"]
    if not names and (with_ or without):
        raise UserError(f"{data['name']} has no attributes, so that nothing can be requested of its draws.")
    values, said = np.full(len(names), UNKNOWN), dict[int, str]()
    for text, absent in [*((text, False) for text in with_), *((text, True) for text in without)]:
        name, equals, value = text.partition("=")
        if name not in names:
            raise UserError(f"{data['name']} has no attribute {name!r}: {suggest(name, names)}")
        if absent and (equals or name in classes):
            known = f"; request another value, as in --with {name}={classes[name][0]}" if name in classes else ""
            raise UserError(f"--without {text}: only an attribute with the values 0 and 1 can be absent{known}.")
        column = names.index(name)
        wanted = 0 if absent else _value(name, value if equals else None, classes.get(name, []))
        if column in said and values[column] != wanted:
            raise UserError(f"{said[column]!r} and {text!r} contradict each other; request one of them.")
        values[column], said[column] = wanted, text
    return values


def known_values(loaded: Loaded) -> dict[str, list[str]]:
    """Returns the attributes that can be requested, and how their values are written in a request."""
    arrays = loaded.info.fitted.fitted_flow_matching
    if arrays is None:
        return {}
    return written_values(loaded.info.data, np.asarray(arrays["column"]), np.asarray(arrays["value"]))


def written_values(
    data: dict[str, Any], columns: Int[np.ndarray, " m"], values: Int[np.ndarray, " m"]
) -> dict[str, list[str]]:
    """Returns the values of attributes as they are written in a request, by the attribute's name.

    Args:
        data: the description of the data set.
        columns: the attribute of each value.
        values: the values.
    """
    found: dict[str, list[str]] = {}
    for column, value in zip(columns.tolist(), values.tolist(), strict=True):
        name = data["attributes"][column]
        classes = data["classes"].get(name)
        found.setdefault(name, []).append(classes[value] if classes else str(value))
    # Of what an image has or has not, that it has it comes first.
    return {name: ["1", "0"] if texts == ["0", "1"] else texts for name, texts in found.items()}


def choose_prior(loaded: Loaded, kind: str | None, request: Request) -> str:
    """Returns the name of the prior to sample from: `kind`, or by default one that knows what is requested."""
    if kind is not None:
        return kind
    if not is_request(request):
        return default_prior(loaded)
    # A conditional model's own prior serves any request; the fitted one knows its codes better.
    fitted = loaded.info.fitted.fitted_flow_matching is not None
    return KNOWS_ATTRIBUTES if fitted or not loaded.vae.attributes else "model"


def is_request(request: Labels) -> bool:
    """Returns whether anything is requested."""
    return bool(np.any(request != UNKNOWN))


def completed(loaded: Loaded, request: Request, count: int, seed: int) -> Int[np.ndarray, "n a"]:
    """Returns a request for each of `count` draws: what it leaves open is as in some image that shows what it asks for.

    So draws vary as such images do. Requests that no image meets stay as they are.
    """
    every = np.tile(request, (count, 1))
    arrays = loaded.info.fitted.fitted_flow_matching
    if arrays is None or not is_request(request):
        return every
    table = np.asarray(arrays["labels"])
    met = np.flatnonzero(np.all((request == UNKNOWN) | (table == request), axis=1))
    return table[np.random.default_rng(seed).choice(met, count)] if len(met) else every


def draw_requested(
    loaded: Loaded,
    kind: str,
    request: Request,
    guidance: float,
    seed: int,
    count: int,
    temperature: float | Sequence[float] = 1.0,
) -> UInt8[np.ndarray, "n h w c"]:
    """Decodes `count` draws under a request, or as they come where nothing is requested.

    Args:
        loaded: the run.
        kind: name of the prior.
        request: as `parse_request` returns it.
        guidance: as for `prior_for`.
        seed: of the draws.
        count: number of images.
        temperature: multiplies the spread of the draws; of a hierarchy also one for each level.
    """
    key = key_for("sample", seed)
    require_request(loaded, kind, request)
    if not is_request(request):
        return sample_images(loaded.vae, loaded.params, prior_for(loaded, kind, request), key, count, temperature)
    labels, parts = completed(loaded, request, count, seed), []
    for start in range(0, count, BATCH_SIZE):
        rows = labels[start : start + BATCH_SIZE]
        prior, params = prior_for(loaded, kind, request, guidance, rows), params_for(loaded, rows)
        # The first batch has the noise of draws without a request, so that a seed's faces are those of any request.
        own = jax.random.fold_in(jax.random.clone(key), start) if start else jax.random.clone(key)
        parts.append(sample_images(loaded.vae, params, prior, own, len(rows), temperature))
    return np.concatenate(parts)


def prior_for(
    loaded: Loaded,
    kind: str,
    request: Request,
    guidance: float = GUIDANCE,
    labels: Int[np.ndarray, "n a"] | None = None,
) -> Prior:
    """Returns a prior of the run under a request, or as it is where nothing is requested.

    Args:
        loaded: the run.
        kind: name of the prior.
        request: as `parse_request` returns it.
        guidance: how far the draws move from those without the request (0) to those under it (1) and beyond.
        labels: the request of each draw, as `completed` returns it; by default all are under the request alone.

    Raises:
        UserError: the run has no such prior, or it knows no attributes.
    """
    prior = prior_of(loaded, kind)
    if not is_request(request) or (loaded.vae.attributes and kind != KNOWS_ATTRIBUTES):
        return prior
    levels = prior if isinstance(prior, Levels) else None
    top = prior if levels is None else levels.top
    if not (isinstance(top, RowPrior) and isinstance(top.rows, FlowMatching)):
        raise UserError(f"--prior {kind} knows no attributes; request them of {KNOWS_ATTRIBUTES}.")
    if labels is None:
        rows = top.rows.requesting(request, guidance)
    else:
        # Guidance exaggerates what is requested, and not what it was completed with.
        rows = top.rows.requesting(labels, guidance, np.where(request == UNKNOWN, labels, UNKNOWN))
    under = replace(top, rows=rows)
    return under if levels is None else replace(levels, parts=(under, *levels.parts[1:]))


def params_for(loaded: Loaded, request: Labels) -> Params:
    """Returns the parameters of a conditional model that is told what is requested; those of other models as they are.

    Of what is requested it is told the attributes that it was told in training.
    """
    if not (loaded.vae.attributes and is_request(request)):
        return loaded.params
    return tell(loaded.params, weights_of(of_model(loaded, np.atleast_2d(request)), loaded.vae.attribute_values))


def of_model(loaded: Loaded, labels: Int[np.ndarray, "n a"]) -> Int[np.ndarray, "n m"]:
    """Returns the columns of those attributes of the data set that a conditional model is told, in its order."""
    return labels[:, loaded.vae.told_columns(loaded.info.data["attributes"])]


def require_request(loaded: Loaded, kind: str, request: Request) -> None:
    """Raises UserError if something is requested that a conditional model, or the prior, has not seen in training."""
    if loaded.vae.attributes:
        _require_told(loaded, request)
    arrays, names = loaded.info.fitted.fitted_flow_matching, loaded.info.data["attributes"]
    if kind != KNOWS_ATTRIBUTES or arrays is None:
        return  # `prior_for` says so, where that is a mistake.
    known = set(zip(*(np.asarray(arrays[part]).tolist() for part in ("column", "value")), strict=True))
    for column in np.flatnonzero(request != UNKNOWN).tolist():
        if (column, value := int(request[column])) not in known:
            raise UserError(
                f"the prior of {loaded.info.run} was fitted to images of which none has {names[column]}={value}; "
                "request something else."
            )


def _require_told(loaded: Loaded, request: Request) -> None:
    names, told = loaded.info.data["attributes"], loaded.vae.attributes
    for column in np.flatnonzero(request != UNKNOWN):
        if names[column] not in told:
            raise UserError(
                f"{loaded.info.run} was trained without being told {names[column]}: {suggest(names[column], told)}"
            )
        if request[column] >= loaded.vae.attribute_values:
            raise UserError(
                f"{names[column]}={request[column]} is requested, but {loaded.info.run} was told values up to "
                f"{loaded.vae.attribute_values - 1}."
            )


def request_name(with_: Sequence[str], without: Sequence[str]) -> str:
    """Returns a file name, without suffix, that describes a request."""
    return file_stem([*(f"with-{text}" for text in with_), *(f"without-{text}" for text in without)])


def _value(name: str, value: str | None, classes: Sequence[str]) -> int:
    if classes:
        if value in classes:
            return classes.index(value)
        known = suggest(value or "", classes)
        raise UserError(f"{name}={value} is not a class of it: {known}" if value else f"{name} needs a class: {known}")
    if value is None:
        return 1
    if not (value.isascii() and value.isdigit() and len(value) < 10):
        raise UserError(f"{name} is {value!r}, but must be a whole number of at least 0, such as 1.")
    return int(value)
