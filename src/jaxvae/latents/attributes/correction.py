"""Corrections of changed codes, by what the model sees in the images that it decodes from them.

A step that carries codes to where those with an attribute lie need not carry the images there: the decoder is not
linear, and the fine levels of a hierarchy may restore what the coarse ones changed. So the changed codes are decoded,
the images are encoded again, and labels are predicted from the codes before and after. Where the attribute that was to
change is seen less surely than in the surest fifth of the codes that have it (of those that lack it, if it is removed),
and where others have changed, the codes move by the effects of those labels on codes.

Labels are predicted by a ridge regression on the leading principal components of the codes. Their effects are those of
a regression of the codes on all labels at once. Changes of the others are seen with noise, and what cannot be told
apart from the attribute changes with it, so they count only by the share of variance (R²) that is predicted of them,
times that of the attribute. What the regression predicts of codes that it was not fitted to is measured on each code
left out (Hastie, Tibshirani & Friedman 2009, "The elements of statistical learning", equation 7.64): on its own codes
a regression on few of them would look better than it is.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from jaxvae.codes import Code
from jaxvae.latents.attributes.directions import Rows
from jaxvae.latents.attributes.sureness import FARTHEST, SURE
from jaxvae.latents.attributes.transport import CODES_EACH, COMPONENTS

RIDGE = 1e-3  # Added to the variance of each component; relative to their mean.
EXPECTED = 5.0  # Codes with two attributes, if they were independent: without any, the two exclude each other.

Labels = Float[np.ndarray, "n m"]  # 1 with the attribute, 0 without it, NaN where that is unknown.
See = Callable[[Code], Rows]  # Decodes codes and encodes the images; of a hierarchy, to the units that changes move.


class Correction(NamedTuple):
    """Moves changed codes on until the model sees the change in their images, and the rest as before.

    Attributes:
        see: decodes codes and encodes the images again.
        center: the mean of all codes.
        weights: a code less the center times these is the prediction of each label less its mean.
        effects: how far a code moves with each label, the others held fixed (least squares).
        without: for each label, the mean prediction over the codes without it.
        having: the same over the codes with it.
        targets: the attributes that are added or removed.
        signs: 1 for each that is added, −1 for each that is removed.
        goals: the prediction at which each of them counts as sure.
        impossible: labels that exclude an added attribute; they are taken away rather than kept.
    """

    see: See
    center: Float[np.ndarray, " d"]
    weights: Float[np.ndarray, "d m"]
    effects: Float[np.ndarray, "m d"]
    without: Float[np.ndarray, " m"]
    having: Float[np.ndarray, " m"]
    targets: Int[np.ndarray, " r"]
    signs: Float[np.ndarray, " r"]
    goals: Float[np.ndarray, " r"]
    impossible: Bool[np.ndarray, " m"]

    @classmethod
    def learn(cls, see: See, rows: Rows, labels: Labels, requests: Sequence[tuple[int, bool]]) -> "Correction":
        """Learns to predict labels from codes, and their effects.

        Args:
            see: as above.
            rows: the codes.
            labels: of each code; of every attribute there are codes with it and without it.
            requests: which attributes change, and whether each is removed rather than added.
        """
        from sklearn.decomposition import PCA  # Imported here because it takes a second.

        parts = PCA(max(1, min(COMPONENTS, len(rows) // CODES_EACH, rows.shape[1])), random_state=0).fit(rows)
        variances, inside = parts.explained_variance_, parts.transform(rows)
        centered = np.where(np.isfinite(labels), labels - np.nanmean(labels, axis=0), 0.0)
        scaled = inside.T @ centered / len(rows) / (variances + RIDGE * variances.mean())[:, None]
        leverage = (inside**2 / (variances + RIDGE * variances.mean())).sum(axis=1, keepdims=True) / len(rows)
        predicted = (inside @ scaled - leverage * centered) / (1 - leverage)  # Each code left out.
        without, having = (np.nanmean(np.where(labels == value, predicted, np.nan), axis=0) for value in (0, 1))
        effects = np.linalg.lstsq(centered, rows - parts.mean_, rcond=None)[0]
        targets, removed = (np.asarray(each) for each in zip(*requests, strict=True))
        added = np.nan_to_num(labels[:, targets[~removed]])
        together = np.nan_to_num(labels).T @ added
        expected = np.nanmean(labels, axis=0)[:, None] * (np.isfinite(labels).T @ added)
        exclusive = ((together == 0) & (expected >= EXPECTED)).any(axis=1)
        impossible = exclusive & ~np.isin(np.arange(labels.shape[1]), targets)
        signs = np.where(removed, -1.0, 1.0)
        goals = np.asarray(
            [
                np.quantile(predicted[labels[:, target] == (not remove), target], 1.0 - SURE if remove else SURE)
                for target, remove in requests
            ]
        )
        weights = parts.components_.T @ scaled
        return cls(see, parts.mean_, weights, effects, without, having, targets, signs, goals, impossible)

    def steps(self, codes: Code, changed: Code, moved: Bool[np.ndarray, "n r"]) -> Rows:
        """Returns what to add to changed codes, in the units that changes move.

        Args:
            codes: before the change.
            changed: after it.
            moved: whether each was moved for each request. The others stay if they are seen to need no change.
        """
        before, after = ((self.see(each) - self.center) @ self.weights for each in (codes, changed))
        explained = np.maximum(self.having - self.without, 0.0)  # R², but for the ridge and unknown labels.
        share, seen = explained[self.targets], after[:, self.targets]
        half = (self.having + self.without)[self.targets] / 2
        needed = moved | (self.signs * (seen - half) < 0)
        short = self.signs * (self.goals - seen)
        further = np.divide(short, share, out=np.zeros_like(short), where=share > 0)
        wanted = np.where(self.impossible, np.minimum(before, self.without), before)
        amounts = share.min() * (wanted - after)
        amounts[:, self.targets] = np.where(needed, self.signs * np.clip(further, 0.0, FARTHEST), 0.0)
        return np.asarray(np.where(needed.any(axis=1, keepdims=True), amounts, 0.0) @ self.effects)
