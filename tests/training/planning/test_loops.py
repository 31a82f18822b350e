import jax
import jax.numpy as jnp
import pytest
from jax import lax

from jaxvae.training.planning.loops import repeated_flops

SIDE, PRODUCT = 16, 2 * 16**3


def traced(function):
    return jax.jit(function).trace(jnp.ones((SIDE, SIDE)))


def total(function, platform):
    program = traced(function)
    once = program.lower(lowering_platforms=(platform,)).cost_analysis()["flops"]
    return once + repeated_flops(program.jaxpr.jaxpr, platform)


def looped(x, length=5):
    return lax.scan(jax.checkpoint(lambda carry, _: (carry @ x, None)), x, None, length=length)[0]


def nested(x):
    return lax.scan(lambda carry, _: (looped(carry, 3), None), x, None, length=4)[0]


@pytest.mark.parametrize(("function", "products"), [(looped, 5), (nested, 12), (lambda x: x @ x, 1)])
def test_each_run_of_a_loops_body_counts(function, products):
    assert total(function, "tpu") == pytest.approx(products * PRODUCT, rel=0.02)


def test_the_loops_of_a_gradient_count_too():
    # Forward 5 products; backward each step recomputes none of them and makes two.
    assert total(jax.grad(lambda x: jnp.sum(looped(x))), "tpu") == pytest.approx(15 * PRODUCT, rel=0.15)


def test_only_the_branch_of_the_platform_counts():
    def either(x):
        return lax.platform_dependent(x, cpu=lambda x: x @ x, default=looped)

    assert total(either, "cpu") == pytest.approx(PRODUCT, rel=0.02)
    assert total(either, "cuda") == pytest.approx(5 * PRODUCT, rel=0.02)
