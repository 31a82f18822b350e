import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from conftest import tiny_config, train_config

from jaxvae.errors import UserError
from jaxvae.models import build
from jaxvae.training.skipping import NORM_HISTORY, decide_update, init_skip_state, should_stop
from jaxvae.training.state import init_state, split_root
from jaxvae.training.step import build_train_step

GUARDED = train_config(spike_factor=4.0, most_spikes=3, most_not_finite=4)


def followed(norms, config=GUARDED, guard=None):
    guard, made = guard or init_skip_state(), []
    step = jax.jit(lambda guard, norm: decide_update(guard, norm, norm, config))
    for norm in norms:
        guard, update = step(guard, jnp.float32(norm))
        made.append(bool(update))
    return guard, made


def usual(count=NORM_HISTORY):
    return list(np.random.default_rng(0).uniform(1.0, 2.0, count))


def test_no_step_is_a_spike_before_enough_norms_are_known():
    assert all(followed([1.0, 1e6, 1.0, 1e9])[1])


def test_a_spike_is_skipped_and_the_steps_around_it_are_not():
    guard, made = followed([*usual(), 7.2, 1.5, 8.1, 1.5])
    # The 0.9 quantile of the last hundred lies near 1.9, the threshold between 7.2 and 8.1.
    assert made[-4:] == [True, True, False, True]
    assert (int(guard.skipped), int(guard.spikes_in_a_row)) == (1, 0)


@pytest.mark.parametrize("growth", [1.0, 10.0, 1e3])
def test_spikes_without_end_never_stop_training(growth):
    rising = [min(1e4 * growth**i, 1e37) for i in range(60)]
    guard, made = followed([*usual(), *rising])
    runs = [len(list(group)) for update, group in itertools.groupby(made) if not update]
    assert max(runs) == GUARDED.most_spikes
    assert not should_stop(guard, GUARDED)


def test_the_threshold_follows_a_lasting_change():
    _, made = followed([*usual(), *[100.0] * 40])
    # After ten of them a tenth of the last hundred norms is 100.
    assert all(made[-30:])


def test_spikes_between_non_finite_steps_are_eventually_accepted():
    _, made = followed([*usual(), *[1e5, np.nan] * 4])
    assert made[-8::2] == [False, False, False, True]


def test_enough_consecutive_non_finite_steps_freeze_everything():
    guard, made = followed([1.0, np.nan, np.inf, 1.0, *[np.nan] * 4, 1.0, 2.0])
    assert made == [True, False, False, True, *[False] * 6]
    assert should_stop(guard, GUARDED)
    assert (int(guard.skipped), int(guard.not_finite_in_a_row)) == (6, 4)


def test_without_a_factor_no_norm_is_too_large():
    assert all(followed([*usual(), 1e30], train_config())[1])


@pytest.mark.slow
def test_a_spike_leaves_parameters_and_optimizer_as_they_were(disc_set):
    config = tiny_config(train=GUARDED)
    vae = build(config.model, (16, 16, 3))
    state = init_state(split_root(0), vae, config.train)
    state = state._replace(guard=state.guard._replace(norms=jnp.full(NORM_HISTORY, 1e-6)))
    new, metrics = jax.jit(build_train_step(vae, config, 160))(state, disc_set.split("train").images[:8])
    assert (int(new.step), int(new.guard.skipped), bool(metrics["update"].made)) == (1, 1, False)
    same = jax.tree.map(np.array_equal, (new.params, new.opt_state), (state.params, state.opt_state))
    assert jax.tree.all(same)
    assert float(new.guard.norms[-1]) == float(metrics["gradient_norm"])


def test_the_state_before_skipped_steps_is_preserved(disc_set):
    config = tiny_config(train=train_config(most_not_finite=2))
    vae = build(config.model, (16, 16, 3))
    good = init_state(split_root(0), vae, config.train)
    hurt = good._replace(params=good.params | {"likelihood": {"log_variance": jnp.float32(jnp.nan)}})
    step = jax.jit(build_train_step(vae, config, 160))
    for _ in range(5):
        hurt, _ = step(hurt, disc_set.split("train").images[:8])
    back = hurt.before_the_last(2)
    assert (int(hurt.step), int(back.step), int(back.guard.skipped)) == (2, 0, 0)
    assert jax.tree.all(jax.tree.map(np.array_equal, back.opt_state, good.opt_state))


@pytest.mark.parametrize(("name", "value"), [("most_not_finite", 0), ("most_spikes", 0), ("spike_factor", 1.0)])
def test_the_fields_are_checked(name, value):
    with pytest.raises(UserError, match=f"train.{name} is {value}"):
        train_config(**{name: value})
