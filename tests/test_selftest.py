import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from linear_gaussian import NOISE, W, X, exact

import jaxvae.distributions.gaussian
from jaxvae.cli import run_command
from jaxvae.evaluation import closed_forms as proofs
from jaxvae.evaluation.linear_gaussian import largest_log_likelihood, log_likelihood
from jaxvae.selftest import selftest


def test_the_exact_log_likelihood_agrees_with_scipy():
    np.testing.assert_allclose(log_likelihood(X, W, jnp.asarray(NOISE)), exact(), rtol=1e-5)


def test_no_other_parameters_exceed_the_largest_log_likelihood():
    x = X - jnp.mean(X, axis=0, keepdims=True)
    best = float(largest_log_likelihood(x, 2))
    random = np.random.default_rng(0)
    for _ in range(50):
        other = jnp.asarray(random.normal(size=(4, 2)), jnp.float32)
        assert float(jnp.mean(log_likelihood(x, other, jnp.asarray(random.uniform(0.05, 2.0))))) < best


@pytest.mark.parametrize("checks", [proofs.bounds, proofs.hierarchy, proofs.kl_divergence, proofs.gradients])
def test_the_checks_that_train_nothing_pass(checks):
    assert [check for check in checks(jax.random.key(7)) if not check.passed] == []


@pytest.mark.slow
def test_every_check_passes():
    failed = [check for check in proofs.run_checks(jax.random.key(7)) if not check.passed]
    assert failed == []


def test_a_wrong_kl_is_detected_and_reported(monkeypatch, capsys):
    right = jaxvae.distributions.gaussian.Normal.kl
    monkeypatch.setattr(jaxvae.distributions.gaussian.Normal, "kl", lambda self, other: 1.1 * right(self, other))
    # The two checks of the KL alone: training a linear VAE takes seconds.
    monkeypatch.setattr(proofs, "run_checks", proofs.kl_divergence)
    monkeypatch.setattr(sys, "argv", ["selftest"])
    with pytest.raises(SystemExit) as leaving:
        run_command(selftest, "selftest")
    assert leaving.value.code == 1
    assert "FAIL" in capsys.readouterr().out


def test_a_non_finite_number_fails():
    check = proofs.check_close("x", 1.0, 1.0, 0.1)
    assert check.passed
    assert not check._replace(measured=float("nan")).passed
    assert not check._replace(measured=1.2).passed
