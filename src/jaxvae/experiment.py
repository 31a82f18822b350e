"""The whole config of an experiment, composed of the configs of its parts, as JSON and back."""

import json
from dataclasses import dataclass, field
from typing import Any

from jaxvae.config.checks import Checked, require
from jaxvae.config.kinds import fields_from_json, fields_to_json
from jaxvae.config.train import TrainConfig
from jaxvae.data.config import DataConfig
from jaxvae.errors import UserError
from jaxvae.models import Conv, ModelConfig
from jaxvae.objectives import ELBO, ObjectiveConfig


@dataclass(frozen=True, kw_only=True)
class Config(Checked):
    """One experiment."""

    name: str = ""
    """Name of the experiment and of its run folder; by default that of the data set."""
    seed: int = 0
    """Root of all randomness: initial parameters, noise, order of the data."""
    data: DataConfig = field(default_factory=DataConfig)
    model: ModelConfig = field(default_factory=Conv)
    objective: ObjectiveConfig = field(default_factory=ELBO)
    train: TrainConfig = field(default_factory=TrainConfig)

    def check(self) -> None:
        """Refuses parts that do not go together."""
        # The seed also keys NumPy's Philox, which takes no negative numbers.
        self.require(0 <= self.seed < 2**32, "seed", "between 0 and 2**32 - 1")
        self.objective.check_model(self.model, self.train.batch_size)
        likelihood, pixels = self.model.likelihood, self.data.pixels
        wanted = f"{' or '.join(map(repr, likelihood.pixels))} when model.likelihood is {likelihood.kind!r}"
        require(pixels in likelihood.pixels, "data.pixels", pixels, wanted)

    @property
    def learns_prior(self) -> bool:
        """Whether p(z) is trained with the model, so that samples come from it by default."""
        return self.objective.variational and (self.model.prior.learned or self.model.hierarchical)

    @property
    def mixture_components(self) -> int:
        """Components of the mixture that is fitted to the training codes after training; 0 for none."""
        return self._unless_learned(self.train.mixture_components, 10)

    @property
    def fitted_flow_steps(self) -> int:
        """Updates of the flow that is fitted to the training codes after training; 0 for none."""
        return self._unless_learned(self.train.fitted_flow_steps, 2000)

    def _unless_learned(self, chosen: int | None, default: int) -> int:
        if chosen is not None:
            return chosen
        return 0 if self.learns_prior else default

    @property
    def title(self) -> str:
        """What the run folder is called."""
        return self.name or self.data.source.title()


def to_json(config: Config) -> dict[str, Any]:
    """Returns the config as JSON values: nested dicts, lists, strings and numbers."""
    values: dict[str, Any] = json.loads(json.dumps(fields_to_json(config)))
    return values


def from_json(values: Any) -> Config:
    """Returns the config that `to_json` wrote; a field that is missing has its default.

    Raises:
        UserError: a field or kind is unknown, of the wrong type, or out of range.
    """
    if not isinstance(values, dict):
        raise UserError(f"the configuration cannot be read: it is not a JSON object but {values!r}.")
    config: Config = fields_from_json(Config, values)
    return config


def changed(old: Config, new: Config) -> dict[str, list[Any]]:
    """Returns each field that differs, by dotted name, as [old, new]."""
    left, right = flatten(to_json(old)), flatten(to_json(new))
    names = dict.fromkeys([*left, *right])
    return {name: [left.get(name), right.get(name)] for name in names if left.get(name) != right.get(name)}


def differences(old: Config, new: Config) -> list[str]:
    """Returns each field that differs, as "train.steps is 50 there and 3000 here"."""
    return [f"{name} is {there!r} there and {here!r} here" for name, (there, here) in changed(old, new).items()]


def flatten(values: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Returns nested dicts as one dict with dotted names."""
    flat: dict[str, Any] = {}
    for name, value in values.items():
        flat |= flatten(value, f"{prefix}{name}.") if isinstance(value, dict) else {f"{prefix}{name}": value}
    return flat
