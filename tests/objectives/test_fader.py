import jax
import jax.numpy as jnp
import numpy as np
import pytest
from conftest import tiny_config
from train_steps import stepped

from jaxvae import ELBO, MLP, Fader, build
from jaxvae.errors import UserError
from jaxvae.objectives.guessing import Guess, accuracy, guessing_loss, hiding_loss, told_terms
from jaxvae.told import tell, weights_of

MODEL = MLP(hidden=(8,), latent=4, attributes=("red", "width"), attribute_values=3)


def guess(probabilities, labels):
    return Guess(jnp.log(jnp.asarray(probabilities)), weights_of(np.asarray(labels), 3)[..., 1:])


def test_both_losses_by_hand():
    said = guess([[[0.7, 0.2, 0.1], [0.1, 0.1, 0.8]]], [[0, 2]])
    np.testing.assert_allclose(guessing_loss(said), [-np.log(0.7) - np.log(0.8)], rtol=1e-6)
    np.testing.assert_allclose(hiding_loss(said), [-np.log(0.3) - np.log(0.2)], rtol=1e-6)
    assert accuracy(said) == 1.0


def test_what_is_not_told_does_not_count():
    said = guess([[[0.7, 0.2, 0.1], [0.1, 0.1, 0.8]]], [[1, -1]])
    np.testing.assert_allclose(guessing_loss(said), [-np.log(0.2)], rtol=1e-6)
    np.testing.assert_allclose(hiding_loss(said), [-np.log(0.8)], rtol=1e-6)
    assert accuracy(said) == 0.0
    nothing = guess([[[0.7, 0.2, 0.1]]], [[-1]])
    assert (guessing_loss(nothing).item(), hiding_loss(nothing).item(), accuracy(nothing).item()) == (0.0, 0.0, 0.0)
    gradient = jax.grad(lambda logs: hiding_loss(Guess(logs, nothing.truth)).sum())(nothing.log_probabilities)
    assert np.all(gradient == 0)


def test_the_critic_learns_to_guess_and_the_codes_to_hide():
    """A critic alone learns what two kinds of codes say; a code that it hears is moved to where it cannot tell."""
    critic = Fader(critic_learning_rate=1e-2).build(1).critic
    vae = build(MODEL, (16, 16, 3))
    params = critic.init(jax.random.key(0), vae, (16, 16, 3))
    labels = np.tile([[0, -1], [1, 2]], (8, 1))
    codes = jnp.asarray(np.where(labels[:, :1] == 1, 1.0, -1.0) * np.ones((1, 4)), jnp.float32)
    terms = told_terms(
        vae, tell(vae.init(jax.random.key(1)), weights_of(labels, 3)), jax.random.key(2), jnp.ones((16, 16, 16, 3))
    )
    terms = terms._replace(bound=terms.bound._replace(z=codes))
    x = jnp.ones((16, 16, 16, 3))

    def loss(params):
        return jnp.mean(critic.loss(critic.opinion(params, terms, x), (), 0))

    state, before = critic.optimizer.init(params), loss(params)
    np.testing.assert_allclose(before, 1.5 * np.log(3), rtol=1e-6)
    step = jax.jit(lambda params, state: critic.optimizer.update(jax.grad(loss)(params), state, params))
    for _ in range(30):
        updates, state = step(params, state)
        params = jax.tree.map(jnp.add, params, updates)
    assert loss(params) < 0.1 * before

    def heard(codes):
        moved = terms._replace(bound=terms.bound._replace(z=codes))
        return jnp.sum(critic.value(critic.opinion(params, moved, x), moved, 0))

    toward_the_other = jax.grad(heard)(codes)
    assert np.all(np.sum(toward_the_other * codes, axis=1) < 0)


def test_it_trains_model_and_critic_in_one_step():
    states, metrics = stepped(tiny_config(model=MODEL, objective=Fader()), 2, labels=np.tile([[0, 2], [1, 1]], (24, 1)))
    before, after = states[0].critic.params, states[1].critic.params
    assert not np.array_equal(before["logits"]["kernel"], after["logits"]["kernel"])
    assert metrics[0]["guessing_loss"] > 0
    assert metrics[0]["elbo_nats"] < 0


def test_evaluation_is_that_of_the_elbo():
    vae, x = build(MODEL, (16, 16, 3)), jnp.full((2, 16, 16, 3), 0.4)
    params, key = vae.init(jax.random.key(0)), jax.random.key(1)
    values = []
    for objective in (Fader().build(1), ELBO().build(1)):
        values.append(objective.value(objective.terms(vae, params, jax.random.clone(key), x), 10))
    np.testing.assert_array_equal(*values)


def test_a_model_that_is_told_nothing_is_refused():
    with pytest.raises(UserError, match=r"model.attributes is .* for objective 'fader'"):
        tiny_config(objective=Fader())
