"""The importance-weighted bound on log p(x) with K = 5000 for the gated MLP, against a straightforward PyTorch version.

    make bench NAME=iw_likelihood

The decoder is 40-300-300-784, gated, Bernoulli. Five turns of 200 images each (QUICK=1: three of 40). Both
sides are compiled before.
"""

import time
from functools import partial
from typing import Any

import jax
import numpy as np
from contest import QUICK, Contestant, Side, on_accelerator, record, take_turns
from instruction_sets import instruction_sets, limited
from ours import start_of

from jaxvae import MLP, BernoulliLikelihood, Config, DataConfig
from jaxvae.evaluation.log_likelihood import importance_bounds
from jaxvae.models import build
from jaxvae.system.local_devices import one_device_per_core
from jaxvae.system.processes import TUNABLES

K, IMAGES, CHUNK = 5000, 40 if QUICK else 200, 500
CONFIG = Config(
    data=DataConfig(pixels="binarized"),
    model=MLP(
        hidden=(300, 300),
        activation="gated",
        latent=40,
        log_variance_range=(-6.0, 2.0),
        likelihood=BernoulliLikelihood(),
    ),
)


def jaxvae(start: dict[str, Any], images: np.ndarray) -> Side:
    """Bounds log p(x) as `python -m jaxvae.evaluate` does."""
    one_device_per_core()
    vae = build(CONFIG.model, (28, 28, 1))
    prior = vae.prior(start["params"])

    def bounds(samples: int) -> Any:
        return importance_bounds(vae, CONFIG.data.pixels, start["params"], prior, jax.random.key(0), images, samples)

    def turn() -> float:
        begin = time.perf_counter()
        bounds(K)
        return time.perf_counter() - begin

    first = bounds(K).log_likelihood_nats[-1]
    return Side(turn, float(first.mean()))


def pytorch(start: dict[str, Any], images: np.ndarray, device: str) -> Side:
    """Bounds log p(x) image by image, in chunks of samples, with one log-sum-exp at the end."""
    import torch
    from peers import GatedDecoder, as_jax_multiplies, bounded, dense, wait
    from torch.distributions import Bernoulli, Normal
    from torch.nn import functional

    as_jax_multiplies()
    encoder, decoder = start["params"]["encoder"], GatedDecoder(start["params"]["decoder"]).to(device)
    hidden, heads = (
        [dense(encoder[f"Hidden_{i}"]["Dense_0"]).to(device) for i in range(2)],
        dense(encoder["Dense_0"]).to(device),
    )
    rows = torch.tensor(images.reshape(len(images), -1), device=device) / 255.0

    def bounds() -> Any:
        logs = []
        for x in rows.round():
            h = 2.0 * x - 1.0
            for layer in hidden:
                h = functional.glu(layer(h), dim=-1)
            mean, log_variance = heads(h).chunk(2)
            posterior = Normal(mean, torch.exp(0.5 * bounded(log_variance, -6.0, 2.0)))
            weights = []
            for _ in range(K // CHUNK):
                z = posterior.sample((CHUNK,))
                likelihood = Bernoulli(logits=decoder(z), validate_args=False).log_prob(x).sum(1)
                prior = Normal(0.0, 1.0).log_prob(z).sum(1)
                weights.append(likelihood + prior - posterior.log_prob(z).sum(1))
            logs.append(torch.logsumexp(torch.cat(weights), 0) - np.log(K))
        return torch.stack(logs)

    def turn() -> float:
        begin = time.perf_counter()
        with torch.no_grad():
            bounds()
        wait(device)
        return time.perf_counter() - begin

    with torch.no_grad():
        return Side(turn, float(bounds().mean()))


if __name__ == "__main__":
    # Already binary, so that both sides bound the same images.
    images = 255 * np.random.default_rng(0).integers(0, 2, (IMAGES, 28, 28, 1), dtype=np.uint8)
    start = start_of(CONFIG, images)
    # A decoder that listens less to z has weights that vary less, and the two bounds differ less by chance.
    first = start["params"]["decoder"]["Hidden_0"]["Dense_0"]
    first["kernel"] = first["kernel"] * np.float32(0.3)
    sides = {
        "jaxvae": Contestant(partial(jaxvae, start, images), {"GLIBC_TUNABLES": TUNABLES}),
        "PyTorch": Contestant(
            partial(pytorch, start, images, "cuda" if on_accelerator() else "cpu"), imports=("peers",)
        ),
    }
    for instructions, environment in instruction_sets().items():
        measured = take_turns(limited(sides, environment), repeats=3 if QUICK else 5, tolerance=1e-3)
        per_image = {name: [1000.0 * turn / IMAGES for turn in seconds] for name, seconds in measured.items()}
        ours = per_image.pop("jaxvae")
        unit = "ms a picture"
        record("iw-likelihood, K = 5000", ours, per_image, target=1.5, unit=unit, instructions=instructions)
