import dataclasses

import jax
import pytest
from conftest import DENSE, tiny_config

from jaxvae import FlowPrior, FullMixturePrior, VampPrior
from jaxvae.models import build
from jaxvae.training.summary import describe


def test_the_summary_counts_parameters_units_and_epochs(disc_set):
    config = tiny_config(model=DENSE)
    run, model, parts, training = describe("runs/\x1b[31mx", config, disc_set)
    assert run == "run runs/\\x1b[31mx"
    params = build(DENSE, disc_set.shape).init(jax.random.key(0))
    count = sum(leaf.size for leaf in jax.tree.leaves(params))
    assert model.endswith(f"mlp with {count:,} parameters and 3 latent units")
    assert parts.endswith("p(x|z) normal, p(z) standard_normal, objective elbo")
    assert "40 steps of 16 images (4 epochs) on 2 CPU devices" in training  # Of eight: eight images for each.


@pytest.mark.parametrize("prior", [VampPrior(components=5), FlowPrior(), FullMixturePrior(components=3)])
def test_learned_priors_are_summarised_too(disc_set, prior):
    config = tiny_config(model=dataclasses.replace(DENSE, prior=prior))
    _, model, parts, _ = describe("x", config, disc_set)
    assert "3 latent units" in model
    assert f"p(z) {prior.kind}," in parts
