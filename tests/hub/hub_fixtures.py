"""A hub on 127.0.0.1 for a test, and a run with everything that a run can have, pushed once."""

from pathlib import Path

import jax
import numpy as np
import pytest
from conftest import DENSE, saved_run, tiny_config
from hub.fake_hub import FakeHub, running
from huggingface_hub import constants

from jaxvae.priors.fit_flow import FLOW_HIDDEN, FLOW_PAIRS
from jaxvae.priors.fit_mixture import fit_mixture
from jaxvae.priors.flow import build_flow
from jaxvae.runs.run import load
from jaxvae.sharing.push import push


def use(hub, monkeypatch, cache):
    """Has the library ask this hub alone, with an empty cache and a token that the hub accepts."""
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(cache))
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)  # The fake stores large files by Git LFS alone.
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_TELEMETRY", True)  # Read before a test could set its variable.
    monkeypatch.setenv("HF_ENDPOINT", hub.endpoint)
    monkeypatch.setenv("HF_TOKEN", hub.token)


@pytest.fixture
def hub(monkeypatch, tmp_path_factory):
    with running(FakeHub()) as server:
        use(server, monkeypatch, tmp_path_factory.mktemp("cache"))
        yield server


@pytest.fixture(scope="session")
def full_run(disc_set, tmp_path_factory) -> Path:
    """A run with a fitted mixture, a fitted flow, statistics of its codes and metrics, none of which was trained."""
    config = tiny_config(model=DENSE)
    mixture = fit_mixture(np.random.default_rng(0).normal(size=(100, 3)), 2, 0)
    flow = jax.jit(build_flow(3, FLOW_PAIRS, FLOW_HIDDEN).init)(jax.random.key(1))
    statistics = {"mean": np.arange(3, dtype=np.float32), "standard_deviation": np.full(3, 2, np.float32)}
    run = saved_run(
        tmp_path_factory.mktemp("runs") / "full", config, disc_set, code_statistics=statistics,
        fitted_mixture=vars(mixture), fitted_flow=flow,
    )  # fmt: skip
    (run / "metrics.jsonl").write_text('{"step": 1, "kind": "validation", "psnr_db": 12.5}\n')
    return run


@pytest.fixture(scope="session")
def pushed_files(full_run, tmp_path_factory) -> dict[str, bytes]:
    """The files of that run on a hub."""
    with pytest.MonkeyPatch.context() as patch, running(FakeHub()) as server:
        use(server, patch, tmp_path_factory.mktemp("cache"))
        push(load(full_run), "jane/discs", "mit", images=["draws"])
        return server.files("jane/discs")
