import os
import warnings

import pytest

from jaxvae.errors import UserError
from jaxvae.system import processes as every_core
from jaxvae.system.processes import ParallelMap


def warning(number):
    warnings.warn("a doubtful file", stacklevel=2)
    return -number


@pytest.fixture
def several():
    work = ParallelMap()
    yield work
    work.close()


@pytest.mark.parametrize("few", [0, 1000])
def test_results_come_in_order_and_without_warnings(several, monkeypatch, few):
    monkeypatch.setattr(every_core, "SERIAL_LIMIT", few)
    assert list(several.map(warning, range(130))) == [-number for number in range(130)]
    assert list(several.map(warning, range(3))) == [0, -1, -2]


def test_a_killed_process_is_reported(several, monkeypatch):
    monkeypatch.setattr(every_core, "SERIAL_LIMIT", 0)
    with pytest.raises(UserError, match="worker process was killed"):
        list(several.map(os._exit, range(1, 60)))
