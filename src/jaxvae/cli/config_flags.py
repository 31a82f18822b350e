"""The flags of a config: those that choose the kinds of its parts, and which fields `--help` shows."""

import functools
from collections.abc import Callable, Sequence
from dataclasses import MISSING, fields
from typing import Any, TypeVar

from jaxvae.cli.experiments import read_experiment
from jaxvae.cli.help import Entry
from jaxvae.cli.parsing import import_code, parse, take_flag
from jaxvae.config import DevicesConfig
from jaxvae.config.kinds import Kind
from jaxvae.data.sources.kinds import SourceConfig, source_named
from jaxvae.experiment import Config, flatten, to_json
from jaxvae.likelihoods import LikelihoodConfig
from jaxvae.models import ModelConfig
from jaxvae.objectives import ObjectiveConfig
from jaxvae.priors import PriorConfig

Parsed = TypeVar("Parsed", bound=Any)


# Fields of the default kinds that `--help` shows; `--help-all` shows the others, too.
COMMON = {
    *(
        "seed",
        "data.size",
        "data.crop",
        "data.color",
        "data.pixels",
        "data.flip",
        "data.shift",
        "model.latent",
        "model.channels",
    ),
    *("objective.beta", "train.steps", "train.batch_size", "train.learning_rate", "train.validate_every"),
    *("train.patience", "train.picture_every", "devices.count"),
}


def parse_with_experiment(
    what: type[Parsed],
    name: str,
    arguments: Sequence[str],
    description: str,
    model_of: Callable[[str], ModelConfig | None] | None = None,
) -> Parsed:
    """Returns the arguments of a command whose first may be an experiment, which then sets the defaults.

    A flag such as `--objective iwae` chooses the kind of a part; the fields of the kinds in use are flags as well.

    Args:
        what: the dataclass of the arguments.
        name: the command.
        arguments: the words of the command line.
        description: begins the help text.
        model_of: the config of the model of the run that `--model.from` names, which then takes the place of the
            experiment's; None keeps the experiment's.
    """
    arguments = import_code(arguments)
    named = bool(arguments) and not arguments[0].startswith("-")
    config = read_experiment(arguments[0]) if named else Config()
    config, rest = choose_kinds(config, arguments[1:] if named else arguments, model_of)
    return parse(
        what,
        f"{name} {arguments[0] if named else '[EXPERIMENT]'}",
        rest,
        description=description,
        default=unchecked(what, config=config),
        entries=describe_kinds(config),
        rare=rare_flags(),
    )


# Where a config has parts of several kinds, outer ones first.
FAMILIES: dict[str, type[Kind]] = {
    "data.source": SourceConfig,
    "model": ModelConfig,
    "model.likelihood": LikelihoodConfig,
    "model.prior": PriorConfig,
    "objective": ObjectiveConfig,
}


def choose_kinds(
    config: Config, arguments: Sequence[str], model_of: Callable[[str], ModelConfig | None] | None = None
) -> tuple[Config, list[str]]:
    """Returns the config with the kinds that flags such as `--model mlp` name, and the remaining arguments.

    Whether the parts go together is checked later, when all arguments are known. `--data.name NAME` and
    `--data.raw DIR` are short for a source, `--model.from RUN` is for the model of a run and
    `--model.start-from RUN`.

    Raises:
        UserError: there is no such kind, with the nearest name.
    """
    rest = list(arguments)
    other_run, rest = take_flag(rest, "model.from")
    if other_run is not None:
        rest = [*rest, "--model.start-from", other_run]
        if model_of is not None and (model := model_of(other_run)) is not None:
            config = _with_part(config, "model", model)
    name, rest = take_flag(rest, "data.name")
    raw, rest = take_flag(rest, "data.raw")
    for family, base in FAMILIES.items():
        value, rest = take_flag(rest, family)
        if family == "data.source" and not (value is None and name is None and raw is None):
            named = next((each for each in (name, value) if each is not None), config.data.source.dataset_name())
            source = source_named(named, raw)
            config = _with_part(config, "data.source", source)
        elif value is not None:
            before = _part(config, family)
            kind = base.named(value, f"--{family}")
            if type(before) is not kind:
                config = _with_part(config, family, before.switched(kind))
    return config, rest


def _part(config: Any, path: str) -> Any:
    return functools.reduce(getattr, path.split("."), config)


def _with_part(part: Any, path: str, value: Any) -> Any:
    name, _, inner = path.partition(".")
    changed = _with_part(getattr(part, name), inner, value) if inner else value
    return unchecked(type(part), **{field.name: getattr(part, field.name) for field in fields(part)} | {name: changed})


def unchecked(kind: type[Parsed], **values: Any) -> Parsed:
    """Returns a config with these values and otherwise its defaults, without checking that they go together."""
    made = object.__new__(kind)
    for field in fields(kind):
        default = field.default if field.default_factory is MISSING else field.default_factory()
        object.__setattr__(made, field.name, values.get(field.name, default))
    return made


# What each family is, in the help texts.
MEANINGS = {
    "data.source": "Where the images come from: the path of your own folder or file, hf:OWNER/NAME of the Hugging Face "
    "Hub, the name of a data set of TensorFlow Datasets, or {kinds}.",
    "model": "The networks: {kinds}.",
    "model.likelihood": "p(x|z), the distribution of pixels: {kinds}.",
    "model.prior": "p(z), the distribution of codes: {kinds}.",
    "objective": "What training makes large: {kinds}.",
}
SHORT_FORMS = [
    Entry("data", "--data.raw FOLDER",
          "Your images for the source `folder`, or a data set's files that you have downloaded."),
    Entry("model", "--model.from RUN", "Start from another run: its model, with its parameters."),
]  # fmt: skip


def describe_kinds(config: Config) -> list[Entry]:
    """Returns the flags that choose kinds, with the ones in use as defaults; the parser never sees these flags."""
    chosen = []
    for family, base in FAMILIES.items():
        *others, last = base.kinds
        kinds = f"{', '.join(others)} or {last}"
        text = f"{MEANINGS[family].format(kinds=kinds)} (default: {_part(config, family).kind})"
        chosen.append(Entry(family.partition(".")[0], f"--{family} KIND", text))
    return [*chosen, *SHORT_FORMS]


def rare_flags() -> set[str]:
    """Returns the flags that `--help` omits: of the default kinds' fields, all that are not common.

    Fields of other kinds, a user's own among them, are shown: whoever names a kind wants to see them.
    """
    names = [*flatten(to_json(Config())), *(f"devices.{field.name}" for field in fields(DevicesConfig))]
    return {f"--{name.replace('_', '-')}" for name in names if name not in COMMON}
