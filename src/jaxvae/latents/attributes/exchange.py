"""Exchanges attributes of images: the code moves from what is usual under the old ones to what is usual under the new.

1. An image with attributes y gets y′. Where all are known and the run has a flow-matching prior, its velocity under y
   carries the code to noise, which is what sets the image apart from others of its attributes, and the velocity under
   y′ carries that noise to a code again: the counterfactual of Pawlowski et al. 2020, "Deep structural causal models
   for tractable counterfactual inference". Otherwise the code becomes z + m(y′) − m(y), where the mean code m(y) is
   linear in the attributes, fitted by least squares to the codes of labelled images. All attributes are fitted
   together: the share of each is what it adds to the others.
2. Where a classifier of codes is not sure of a requested attribute, the code goes on along m(y′) − m(y) until it is.

A conditional VAE is told y when it encodes, and y′ when it decodes.
"""

from dataclasses import dataclass, field
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Float, Int, UInt8

from jaxvae.codes import flatten, unflatten
from jaxvae.distributions.levels import Levels
from jaxvae.errors import UserError
from jaxvae.inference import BATCH_SIZE, decode_to_images, encode_means
from jaxvae.labels import UNKNOWN
from jaxvae.latents.attributes.directions import coarse_levels, direction
from jaxvae.latents.attributes.labels import Labelled
from jaxvae.latents.attributes.request import KNOWS_ATTRIBUTES, Request, of_model
from jaxvae.latents.attributes.sureness import Sureness
from jaxvae.priors.fit_flow_matching import entries
from jaxvae.priors.flow_matching import FlowMatching
from jaxvae.runs.run import Loaded, prior_of
from jaxvae.told import tell, weights_of
from jaxvae.vae import Code, Params, code_shape

GUIDANCE = 1.5  # Of the avatars, one more exchange in fifty takes than at 1, and nearly as many others stay.

Images = UInt8[np.ndarray, "n h w c"]
Labels = Int[np.ndarray, "n a"]
Rows = Float[np.ndarray, "n d"]


def code_rows_told(loaded: Loaded, images: Images, labels: Labels) -> Rows:
    """Returns the posterior means of images, of which a conditional model is told these labels, as rows."""
    parts = []
    for start in range(0, len(images), BATCH_SIZE):
        part = slice(start, start + BATCH_SIZE)
        codes: Code = encode_means(loaded.vae, _told(loaded, labels[part], labels[part], 0.0), np.asarray(images[part]))
        parts.append(np.asarray(flatten(codes), np.float64))
    return np.concatenate(parts)


@dataclass(frozen=True, eq=False)
class Exchange:
    """What exchanging attributes needs to know, learned from labelled images.

    Attributes:
        loaded: the run.
        labelled: the images.
        columns: the attribute of each entry of y.
        values: the value that it stands for.
        steps: how far the mean code moves where an entry becomes 1, as rows [m, d]; 0 in the levels of a hierarchy
            below those that attributes move.
        rows: the codes of the images [n, u], in the levels that attributes move.
        untold: the same of a model that is told nothing.
        sureness: a classifier of codes for each entry of y that was requested so far.
    """

    loaded: Loaded
    labelled: Labelled
    columns: Int[np.ndarray, " m"]
    values: Int[np.ndarray, " m"]
    steps: Float[np.ndarray, "m d"]
    rows: Rows
    untold: Rows
    sureness: dict[int, Sureness] = field(default_factory=dict)

    @classmethod
    def learn(cls, loaded: Loaded, labelled: Labelled) -> "Exchange":
        """Encodes the images and fits the mean codes.

        Raises:
            UserError: no attribute has two values or more.
        """
        columns, values = entries(labelled.values)
        if not len(columns):
            raise UserError(f"{labelled.origin} has no attribute of which images have different values.")
        rows = code_rows_told(loaded, labelled.images, labelled.values)
        like = code_shape(loaded.vae, loaded.params)
        units = rows.shape[1]
        if loaded.vae.levels:
            units = sum(level.size for level in like[: coarse_levels(like)])
        known, shown = labelled.values[:, columns] != UNKNOWN, labelled.values[:, columns] == values[None]
        shares = shown.sum(axis=0) / np.maximum(known.sum(axis=0), 1)
        # What is unknown counts as usual. Of equal fits, as of the values of one attribute, the smallest.
        centered = np.where(known, shown - shares[None], 0.0)
        steps = np.zeros((len(columns), rows.shape[1]))
        steps[:, :units] = np.linalg.lstsq(centered, rows[:, :units] - rows[:, :units].mean(axis=0), rcond=None)[0]
        rows, untold = rows[:, :units], rows[:, :units]
        if loaded.vae.attributes:
            untold = code_rows_told(loaded, labelled.images, np.full_like(labelled.values, UNKNOWN))[:, :units]
        return cls(loaded, labelled, columns, values, steps, rows, untold)

    def images(
        self, images: Images, labels: Labels, request: Request, degrees: Float[np.ndarray, " s"]
    ) -> UInt8[np.ndarray, "s n h w c"]:
        """Returns images with their own attributes at degree 0, with those requested at degree 1, and between.

        Own attributes that no labelled image shows together with a requested one (glasses with sunglasses) take the
        value that is most frequent with it.

        Args:
            images: the images.
            labels: their attributes, `UNKNOWN` for those that are not known. Of these, those that the request is about
                are guessed from the code.
            request: the attributes to change, as `parse_request` returns it.
            degrees: how far to go; beyond 1 the codes move further.
        """
        before, after = self.attributes(images, labels, request)
        return np.concatenate(
            [
                self._between(images[part], before[part], after[part], request, degrees)
                for part in (slice(start, start + BATCH_SIZE) for start in range(0, len(images), BATCH_SIZE))
            ],
            axis=1,
        )

    def attributes(self, images: Images, labels: Labels, request: Request) -> tuple[Labels, Labels]:
        """Returns the attributes of images before an exchange and after it; the arguments are those of `images`."""
        before = self._guessed(images, labels, request)
        return before, self._requested(before, request)

    def moved(self, rows: Rows, before: Labels, after: Labels, request: Request) -> Rows:
        """Returns codes [n, d] of images with attributes as codes with others, sure of those that are requested."""
        # An attribute that stays unknown has no entry on either side.
        one, other = (labels[:, self.columns] == self.values[None] for labels in (before, after))
        gained = other.astype(float) - one
        moved = self._carried(rows, gained, before, after)
        units = self.rows.shape[1]
        for entry in np.flatnonzero(request[self.columns] == self.values).tolist():
            of_attribute = self.columns == self.columns[entry]
            steps = gained[:, of_attribute] @ self.steps[of_attribute]
            to_go = self._sureness_of(entry).steps_to_go(moved[:, :units], steps[:, :units])
            moved = moved + to_go[:, None] * steps
        return moved

    def _carried(self, rows: Rows, gained: Float[np.ndarray, "n m"], before: Labels, after: Labels) -> Rows:
        """Returns codes moved between mean codes, or by the velocity of a flow-matching prior where it knows enough."""
        moved = rows + gained @ self.steps
        if self.loaded.info.fitted.fitted_flow_matching is None:
            return moved
        prior: Any = prior_of(self.loaded, KNOWS_ATTRIBUTES)
        flow = (prior.top if isinstance(prior, Levels) else prior).rows
        units = len(flow.params["center"])
        # As in draws on request, guidance exaggerates what changes and nothing else.
        kept = np.where(before == after, after, UNKNOWN)
        of_codes = (jnp.asarray(each) for each in (before, after, kept))
        carried = _carry(flow, jnp.asarray(rows[:, :units], jnp.float32), *of_codes)
        # A conditional model's prior knows only what the model is told; by all else the code moves as ever.
        told = set(zip(*(np.asarray(flow.params[part]).tolist() for part in ("column", "value")), strict=True))
        entries_of_y = zip(self.columns.tolist(), self.values.tolist(), strict=True)
        missing = np.asarray([entry not in told for entry in entries_of_y])
        top = np.asarray(carried, np.float64) + (gained[:, missing] @ self.steps[missing])[:, :units]
        whole = np.concatenate([top, moved[:, units:]], axis=1)
        # The velocity does not keep what it is not told: unknown attributes would be drawn anew.
        known = np.all(before[:, self.columns] != UNKNOWN, axis=1)
        return np.where(known[:, None], whole, moved)

    def _sureness_of(self, entry: int) -> Sureness:
        if entry not in self.sureness:
            values = self.labelled.values[:, self.columns[entry]]
            known = values != UNKNOWN
            self.sureness[entry] = Sureness.learn(self.rows[known], values[known] == self.values[entry])
        return self.sureness[entry]

    def _between(
        self, images: Images, before: Labels, after: Labels, request: Request, degrees: np.ndarray
    ) -> np.ndarray:
        vae, like = self.loaded.vae, code_shape(self.loaded.vae, self.loaded.params)
        codes = encode_means(vae, _told(self.loaded, before, before, 0.0), images)
        rows = np.asarray(flatten(codes), np.float64)
        move = unflatten(jnp.asarray(self.moved(rows, before, after, request) - rows, jnp.float32), like)
        decoded = []
        for degree in degrees:
            moved = jax.tree.map(lambda z, dz, t=degree: z + np.float32(t) * dz, codes, move)
            decoded.append(decode_to_images(vae, _told(self.loaded, before, after, min(max(degree, 0.0), 1.0)), moved))
        return np.stack(decoded)

    def _guessed(self, images: Images, labels: Labels, request: Request) -> Labels:
        """Returns the labels, of which those that the request may change are known."""
        table, guessed = self.labelled.values, np.array(labels)
        missing = [
            column
            for column in np.unique(self.columns).tolist()
            if (labels[:, column] == UNKNOWN).any() and self._concerns(request, column)
        ]
        if not missing:
            return guessed
        rows = code_rows_told(self.loaded, images, np.full_like(labels, UNKNOWN))[:, : self.untold.shape[1]]
        for column in missing:
            known, choices = table[:, column] != UNKNOWN, self.values[self.columns == column]
            scores = [direction(self.untold[known], table[known, column] == value).score(rows) for value in choices]
            unknown = labels[:, column] == UNKNOWN
            guessed[unknown, column] = choices[np.argmax(scores, axis=0)][unknown]
        return guessed

    def _concerns(self, request: Request, column: int) -> bool:
        """Returns whether an attribute is requested, or has a value that never goes with what is."""
        known = set(self.labelled.values[:, column].tolist()) - {UNKNOWN}
        return bool(request[column] != UNKNOWN) or any(
            known - set(self._together(wanted, request, column).tolist())
            for wanted in np.flatnonzero(request != UNKNOWN).tolist()
        )

    def _requested(self, own: Labels, request: Request) -> Labels:
        labels = np.array(own)
        for wanted in np.flatnonzero(request != UNKNOWN).tolist():
            for column in range(own.shape[1]):
                together = self._together(wanted, request, column)
                if len(together):
                    never = (labels[:, column] != UNKNOWN) & ~np.isin(labels[:, column], together)
                    labels[never, column] = np.bincount(together).argmax()
        return np.where(request[None] == UNKNOWN, labels, request[None])

    def _together(self, wanted: int, request: Request, column: int) -> Int[np.ndarray, " n"]:
        """Returns the known values of an attribute in the images that have a requested one."""
        values = self.labelled.values[self.labelled.values[:, wanted] == request[wanted], column]
        return values[values != UNKNOWN]


@jax.jit
def _carry(
    flow: FlowMatching,
    rows: Float[Array, "b d"],
    before: Int[Array, "b a"],
    after: Int[Array, "b a"],
    kept: Int[Array, "b a"],
) -> Float[Array, "b d"]:
    return flow.requesting(after, GUIDANCE, kept).from_normal(flow.requesting(before).to_normal(rows))


def _told(loaded: Loaded, before: Labels, after: Labels, degree: float) -> Params:
    """Returns the parameters of a conditional model that is told labels between these; other models' as they are."""
    if not loaded.vae.attributes:
        return loaded.params
    one, other = (weights_of(of_model(loaded, each), loaded.vae.attribute_values) for each in (before, after))
    return tell(loaded.params, one + jnp.float32(degree) * (other - one))
