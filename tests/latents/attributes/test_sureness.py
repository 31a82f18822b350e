import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from jaxvae.latents.attributes.sureness import FARTHEST, SURE, Sureness

ROWS = np.random.default_rng(0).normal(size=(400, 3))
HAS = ROWS[:, 0] + 0.5 * ROWS[:, 1] + 0.3 * np.random.default_rng(1).normal(size=400) > 0.2
STEP = np.asarray([1.0, 0.2, 0.0])


def test_codes_go_on_until_the_classifier_is_as_sure_as_of_most_that_have_the_attribute():
    sureness = Sureness.learn(ROWS, HAS)
    to_go = sureness.steps_to_go(ROWS, np.tile(STEP, (400, 1)))
    model = LogisticRegression(max_iter=1000).fit(ROWS / ROWS.std(0), HAS)
    certainty = model.decision_function(ROWS / ROWS.std(0))
    target = np.quantile(certainty[HAS], SURE)
    reached = model.decision_function((ROWS + to_go[:, None] * STEP) / ROWS.std(0))
    went = (to_go > 0) & (to_go < FARTHEST)
    assert went.sum() > 50
    np.testing.assert_allclose(reached[went], target, atol=0.02)
    assert np.all(certainty[to_go == 0] > target - 0.02)
    assert np.all(reached[to_go == FARTHEST] < target + 0.02)
    assert np.any(to_go == FARTHEST)


@pytest.mark.parametrize("step", [np.zeros(3), -STEP])
def test_steps_that_do_not_lead_there_are_not_taken(step):
    assert not np.any(Sureness.learn(ROWS, HAS).steps_to_go(ROWS, np.tile(step, (400, 1))))
