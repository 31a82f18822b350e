"""A trained model that answers in NumPy."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, UInt8

from jaxvae import inference
from jaxvae.artifacts.folder import export_run
from jaxvae.artifacts.formats import FORMATS
from jaxvae.codes import Code
from jaxvae.data.pixels import uint8_images
from jaxvae.data.prepared import Prepared
from jaxvae.data.select import data_set
from jaxvae.data.sources.base import SPLITS
from jaxvae.errors import UserError
from jaxvae.evaluation.log_likelihood import importance_bounds
from jaxvae.evaluation.report import evaluation_keys
from jaxvae.explorer.page_files import FACES
from jaxvae.labels import UNKNOWN
from jaxvae.latents.attributes.directions import MAX_IMAGES
from jaxvae.latents.attributes.exchange import Exchange
from jaxvae.latents.attributes.labels import labelled_split
from jaxvae.latents.attributes.request import (
    GUIDANCE,
    choose_prior,
    draw_requested,
    is_request,
    parse_request,
)
from jaxvae.latents.latent_writing import LatentOptions, ScalingKind, write_latents
from jaxvae.latents.paths.build import build_path
from jaxvae.latents.paths.interpolation import codes_along
from jaxvae.runs import run as runs
from jaxvae.sharing.images import Kind as CardImages
from jaxvae.sharing.push import Report, push
from jaxvae.vae import code_shape

Images = UInt8[np.ndarray, "n h w c"]


class Run(runs.Loaded):
    """A trained model that answers in NumPy.

    It unpacks as `vae, params, info = run`: pure functions, the parameters to call them with, and where they come from.
    Images are uint8 [n, h, w, c], or floats in [0, 1]; a single image [h, w, c] is a batch of one, and grey images may
    lack their last axis.
    """

    def encode(self, images: Any) -> Code:
        """Returns the posterior mean of each image, a pytree of [n, ...] (an array [n, d] for the stock models)."""
        return jax.tree.map(np.asarray, inference.encode_means(self.vae, self.params, self._images(images)))

    def posterior(self, images: Any) -> Any:
        """Returns q(z|x) of each image as arrays [n, ...]; a `Normal` for the stock models."""
        return inference.posteriors(self.vae, self.params, self._images(images))

    def decode(self, codes: Code) -> Images:
        """Returns the mean of p(x|z) at each code, as images.

        The code of a hierarchy may lack its finest levels, which are then at their prior mean.

        Raises:
            UserError: a code is not of the model's shape, or not finite.
        """
        return inference.decode_to_images(self.vae, self.params, self._codes(codes))

    def reconstruct(self, images: Any) -> Images:
        """Returns each image encoded to its posterior mean and decoded again."""
        return inference.reconstruct(self.vae, self.params, self._images(images))

    def sample(
        self,
        n: int = 1,
        *,
        seed: int = 0,
        prior: str | None = None,
        temperature: float = 1.0,
        with_: Sequence[str] = (),
        without: Sequence[str] = (),
        guidance: float = GUIDANCE,
    ) -> Images:
        """Returns decoded draws from the prior.

        Args:
            n: number of images.
            seed: of the draws.
            prior: "model" for the prior trained with the model, or one fitted to the training codes afterwards
                ("fitted_mixture", "fitted_flow", "fitted_flow_matching"); by default "model" if it was learned,
                otherwise the first fitted one, and "fitted_flow_matching" where attributes are requested.
            temperature: multiplies the spread of the draws.
            with_: attributes that the images should show: "sunglasses", or "label=Sneaker".
            without: attributes that they should not show.
            guidance: how strictly they follow the request; 1 draws from the distribution under it.

        Raises:
            UserError: `n` is below 1, the run has no such prior, the prior does not know an attribute, or a number is
                out of its range.
        """
        if n < 1:
            raise UserError(f"n is {n}, but must be at least 1.")
        for name, value in (("temperature", temperature), ("guidance", guidance)):
            if not 0 <= value < math.inf:
                raise UserError(f"{name} is {value:g}, but must be at least 0 and finite.")
        request = parse_request(self.info.data, with_, without)
        kind = choose_prior(self, prior, request)
        return draw_requested(self, kind, request, guidance, seed, n, temperature)

    def interpolate(self, first: Any, second: Any, steps: int = 9, *, path: str = "linear") -> Images:
        """Returns the decoded path between two images, their reconstructions at its ends.

        Args:
            first: an image.
            second: an image.
            steps: images along the path, at least 2.
            path: "linear", "spherical", "prior" or "geodesic".

        Raises:
            UserError: `steps` is below 2, or there is no such path.
        """
        if steps < 2:
            raise UserError(f"steps is {steps}, but must be at least 2.")
        ends = inference.unstack(self.encode(np.concatenate([self._images(first)[:1], self._images(second)[:1]])))
        made = build_path(path, self.vae, self.params)
        return inference.decode_to_images(self.vae, self.params, codes_along(made, ends, np.linspace(0.0, 1.0, steps)))

    def exchange(
        self,
        images: Any,
        *,
        with_: Sequence[str] = (),
        without: Sequence[str] = (),
        labels: Any = None,
        degree: float = 1.0,
        data: str | Path | None = None,
    ) -> Images:
        """Returns images with some of their attributes exchanged; it learns how from the training images.

        Args:
            images: the images.
            with_: attributes that they should show: "sunglasses", or "label=Sneaker".
            without: attributes that they should not show.
            labels: the attributes that they have, integers [n, a] in the order of the data set and negative where
                unknown; None for images of which nothing is known.
            degree: 0 returns reconstructions, 1 the exchange.
            data: the prepared data set, if it has moved since the run was trained.

        Raises:
            UserError: nothing is requested, something that the data set does not have, or labels of another shape.
        """
        given, request = self._images(images), parse_request(self.info.data, with_, without)
        if not is_request(request):
            raise UserError("nothing is requested; name an attribute in with_ or without.")
        known = np.full((len(given), len(request)), UNKNOWN) if labels is None else np.asarray(labels)
        if known.shape != (len(given), len(request)) or known.dtype.kind not in "iu":
            raise UserError(
                f"the labels are {known.dtype}{list(known.shape)}, but must be integers {[len(given), len(request)]}."
            )
        prepared = data_set(self.info.data, None if data is None else Path(data))
        learned = Exchange.learn(self, labelled_split(prepared, "train", MAX_IMAGES))
        return learned.images(given, known, request, np.asarray([degree]))[0]

    def log_likelihood(self, images: Any, k: int = 100, *, seed: int = 0) -> Float[np.ndarray, " n"]:
        """Returns a lower bound on log p(x) of each image, in nats; larger is better.

        Args:
            images: the images.
            k: importance samples (Burda et al. 2016, equation 8); the bound tightens as they grow.
            seed: of the draws.

        Raises:
            UserError: `k` is below 1, or the model was trained as a plain autoencoder.
        """
        if k < 1:
            raise UserError(f"k is {k}, but must be at least 1.")
        if not self.info.config.objective.variational:
            raise UserError(f"{self.info.run} is a plain autoencoder, which gives no probabilities to images.")
        prior, pixels = self.vae.prior(self.params), self.info.config.data.pixels
        bounds = importance_bounds(
            self.vae, pixels, self.params, prior, evaluation_keys(seed)[0], self._images(images), k
        )
        return bounds.log_likelihood_nats[-1]

    def push(
        self,
        repository: str,
        *,
        license: str,
        public: bool = False,
        overwrite: bool = False,
        images: Sequence[CardImages] | None = None,
    ) -> Report:
        """Uploads the run with a model card to the Hugging Face Hub; `load("hub:OWNER/NAME")` opens it again.

        Args:
            repository: OWNER/NAME; created if it does not exist.
            license: identifier of a licence as the hub lists them, such as "apache-2.0".
            public: let everybody see it.
            overwrite: replace the files of a repository that has some, in a new commit.
            images: those on the card, of "draws", "walk" and "reconstructions"; None for all that the run can make.

        Returns:
            The address of the repository, the commit, its files, and the evaluation that the card cites.

        Raises:
            UserError: the run is not complete, the repository exists, needs a token or cannot be reached.
        """
        return push(self, repository, license, public=public, overwrite=overwrite, images=images)

    def write_latents(
        self,
        data: Prepared,
        folder: str | Path,
        *,
        splits: Sequence[str] = SPLITS,
        moments: bool = False,
        flips: bool = False,
        scaling: ScalingKind = "none",
        overwrite: bool = False,
    ) -> dict[str, Any]:
        """Writes the codes of whole splits to a folder, for training a diffusion model elsewhere.

        Args:
            data: the images.
            folder: the folder to create.
            splits: the splits to write; the statistics are always those of the training split.
            moments: also write posterior standard deviations.
            flips: also write the codes of each image mirrored left to right.
            scaling: "none", "measured" (by the statistics of the training codes), or "recorded" (by the factors that
                came with the model).
            overwrite: replace another folder of latents.

        Returns:
            The contents of its latents.json, with scaling and shift factor in `statistics`.

        Raises:
            UserError: the folder exists, there is no such split or scaling, or the codes are not one array per image.
        """
        options = LatentOptions(tuple(splits), moments, flips, scaling)
        return write_latents(self, data, Path(folder), options, overwrite)

    def export(
        self, folder: str | Path, *, formats: Sequence[str] = FORMATS, overwrite: bool = False
    ) -> dict[str, Any]:
        """Writes the encoder and the decoder to a folder of files that run without jaxvae.

        Args:
            folder: the folder to create.
            formats: "stablehlo" (opened by `jax.export.deserialize`), "onnx", or both.
            overwrite: replace another export.

        Returns:
            The contents of its export.json: inputs, outputs, their meaning, and versions.

        Raises:
            UserError: the folder exists, the extra `export` is not installed, or the model has no ONNX form.
        """
        return export_run(self, folder, formats, overwrite)

    def export_page(
        self,
        folder: str | Path,
        *,
        onnxruntime_web: str | Path | None = None,
        images: int = FACES,
        data: str | Path | None = None,
        overwrite: bool = False,
    ) -> dict[str, Any]:
        """Writes the explorer to a folder that any static web host serves; the decoder runs in the browser.

        Args:
            folder: the folder to create.
            onnxruntime_web: the npm package that runs the decoder, as an archive or a folder; None takes the one in
                node_modules.
            images: images of the test split that become part of the page, for everybody to see; 0 for none.
            data: the prepared data set, if it has moved since the run was trained.
            overwrite: replace another page.

        Returns:
            What the page offers: `images`, `priors`, and the number of `sliders` in each group.

        Raises:
            UserError: the folder exists, a package is missing, or the decoder has no ONNX form.
        """
        # Imported here, since it brings all of the explorer.
        from jaxvae.explorer.onnxruntime_web import check_page
        from jaxvae.explorer.standalone_page import write_page

        runtime = check_page(Path(folder), None if onnxruntime_web is None else Path(onnxruntime_web), overwrite)
        return write_page(self, Path(folder), runtime, None if data is None else Path(data), images)

    def _images(self, images: Any) -> Images:
        return uint8_images(images, self.info.shape)

    def _codes(self, codes: Code) -> Code:
        like = code_shape(self.vae, self.params)
        if self.vae.levels and isinstance(codes, tuple) and 1 <= len(codes) < len(like):
            like = like[: len(codes)]
        if str(jax.tree.structure(codes)) != str(jax.tree.structure(like)):
            raise UserError(f"the codes are not built like those of {self.info.run}, which `encode` returns.")

        def checked(leaf: Any, one: Any) -> Any:
            array = np.asarray(leaf, one.dtype)
            array = array[None] if array.shape == one.shape else array
            if array.shape[1:] != one.shape:
                raise UserError(f"the codes have shape {array.shape}, but a code of this model has shape {one.shape}.")
            if not np.isfinite(array).all():
                raise UserError("the codes hold numbers that are not finite.")
            return jnp.asarray(array)

        return jax.tree.map(checked, codes, like)
