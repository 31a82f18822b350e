import jax.numpy as jnp
import pytest
from conftest import DENSE, train_config

from jaxvae.errors import UserError
from jaxvae.models import build
from jaxvae.training.params_check import check_params


def test_an_array_of_no_numbers_is_refused_before_training():
    vae = build(DENSE, (4, 4, 3))
    check_params(vae, train_config())
    empty = vae._replace(init=lambda key: {**vae.init(key), "own": {"table": jnp.zeros((0, 3))}})
    with pytest.raises(UserError, match=r"parameter own\.table has shape \[0, 3\]"):
        check_params(empty, train_config())
