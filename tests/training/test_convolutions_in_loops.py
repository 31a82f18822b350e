"""No convolution of a step for a CPU is inside a loop or a branch, where XLA runs it many times slower."""

import jax
import pytest
from conftest import tiny_config, train_config

from jaxvae import HVAE, MLP, Adversarial, DevicesConfig, KLAutoencoder, TopDown
from jaxvae.networks.loops import as_on_accelerators
from jaxvae.training.input_pipeline import stretch
from jaxvae.training.planning.program import trace_step
from jaxvae.training.sharding import over

LATENTS = KLAutoencoder(channels=(8, 8), groups=4, latent=2)
LEVELS = TopDown(channels=(8, 8), blocks=(2, 1), encoder_blocks=(1, 1), latent=(2, 2), stem=(8,))
MOVED = Adversarial(equivariance=0.5, equivariance_halvings=2)


def inside(jaxpr, name, depth=0):
    """Yields the number of loops and branches around each equation with this primitive, as a CPU runs it."""
    for equation in jaxpr.eqns:
        if equation.primitive.name == name:
            yield depth
        values = list(equation.params.values())
        deeper = depth + (equation.primitive.name in ("scan", "while", "cond"))
        if platforms := equation.params.get("branches_platforms"):
            values = [
                branch
                for named, branch in zip(platforms, equation.params["branches"], strict=True)
                if named and "cpu" in named
            ]
            deeper = depth
        for value in values:
            for each in value if isinstance(value, tuple | list) else (value,):
                inner = getattr(each, "jaxpr", each)
                if hasattr(inner, "eqns"):
                    yield from inside(inner, name, deeper)


def traced(model, objective=None, **devices):
    chosen = {} if objective is None else {"objective": objective}
    config = tiny_config(model=model, train=train_config(batch_size=4), **chosen)
    settings = DevicesConfig(**devices)
    placement = over(jax.devices()[:1], config, settings)
    return trace_step(config, (16, 16, 3), 160, placement, settings).jaxpr


@pytest.mark.parametrize(
    ("model", "objective", "devices"),
    [
        (LATENTS, MOVED, {}),
        pytest.param(LATENTS, Adversarial(), {"accumulate": 2}, marks=pytest.mark.slow),
        (LEVELS, None, {"accumulate": 2}),
    ],
)
def test_no_convolution_is_inside_a_loop_or_a_branch(model, objective, devices):
    found = list(inside(traced(model, objective, **devices).jaxpr, "conv_general_dilated"))
    assert len(found) > 10
    assert not any(found)


@pytest.mark.parametrize(
    ("model", "steps"), [(LATENTS, 1), (LEVELS, 1), (HVAE(layers="conv"), 1), (HVAE(), 5), (MLP(), 5)]
)
def test_only_models_without_convolutions_make_several_steps_in_one_dispatch(model, steps):
    assert stretch(tiny_config(model=model), 0, resident=False) == steps


def test_a_plan_for_an_accelerator_that_is_not_at_hand_keeps_the_loops():
    with as_on_accelerators():
        found = list(inside(traced(LATENTS, Adversarial(), accumulate=2).jaxpr, "conv_general_dilated"))
    assert found
    assert all(found)
