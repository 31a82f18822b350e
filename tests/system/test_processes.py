import os
import warnings

import pytest

from jaxvae.errors import UserError
from jaxvae.system import processes as every_core
from jaxvae.system.processes import EveryCore


def warning(number):
    warnings.warn("a doubtful file", stacklevel=2)
    return -number


@pytest.fixture
def several():
    work = EveryCore()
    yield work
    work.close()


@pytest.mark.parametrize("few", [0, 1000])
def test_results_come_in_order_and_without_warnings(several, monkeypatch, few):
    monkeypatch.setattr(every_core, "FEW", few)
    assert list(several.in_order(warning, range(130))) == [-number for number in range(130)]
    assert list(several.in_order(warning, range(3))) == [0, -1, -2]


def test_a_process_that_is_ended_from_outside_is_told(several, monkeypatch):
    monkeypatch.setattr(every_core, "FEW", 0)
    with pytest.raises(UserError, match="ended from outside"):
        list(several.in_order(os._exit, range(1, 60)))
