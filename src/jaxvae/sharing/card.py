"""The model card: what a run is, how to open it, its images, and its numbers with their protocol."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass
from typing import Any, NamedTuple

import jax

from jaxvae.config.kinds import Kind
from jaxvae.data.sources.kinds import HuggingFace
from jaxvae.errors import printable
from jaxvae.hub.front_matter import Measured, Result, front_matter
from jaxvae.hub.names import is_hub_name, is_repository, parse_hub_name
from jaxvae.runs.run import Loaded
from jaxvae.sharing.images import CardImage, generates
from jaxvae.sharing.numbers import Evaluation, numbers_of


class Shared(NamedTuple):
    """What a card is about: the repository, the model, its licence, images and evaluation, and its files."""

    repository: str
    loaded: Loaded
    license: str
    images: Sequence[CardImage]
    evaluation: Evaluation | None
    files: Mapping[str, str]


def write_card(shared: Shared) -> str:
    """Returns the README.md of a repository."""
    sections = [
        f"# {_name(shared)}\n\n{_introduction(shared)}",
        *[f"![{_text(image.caption)}](images/{image.path.name})\n\n{_text(image.caption)}." for image in shared.images],
        f"## Use\n\n{_use(shared)}",
        f"## Model\n\n{_table(_facts(shared.loaded))}\n\nThe whole configuration is in `jaxvae.json`.",
        f"## Numbers\n\n{_numbers(shared.evaluation)}",
        f"## Files\n\n{_table(shared.files)}",
    ]
    return "\n\n".join([_metadata(shared) + sections[0], *sections[1:]]) + "\n"


def own_kinds(part: Any) -> Iterator[str]:
    """Yields the kinds of a config that jaxvae does not have, such as "model my_model"."""
    for field in fields(part):
        value = getattr(part, field.name)
        if isinstance(value, Kind) and not type(value).__module__.startswith("jaxvae."):
            yield f"{value.family} {value.kind}"
        if is_dataclass(value):
            yield from own_kinds(value)


def _name(shared: Shared) -> str:
    return shared.repository.partition("/")[2]


def _metadata(shared: Shared) -> str:
    config, evaluation = shared.loaded.info.config, shared.evaluation
    what = "variational-autoencoder" if config.objective.variational else "autoencoder"
    source, start = config.data.source, config.model.start_from
    measured = None
    if evaluation is not None:
        results = [Result(each.kind, each.title, each.mean) for each in numbers_of(evaluation.report)]
        protocol = _protocol(evaluation)
        measured = Measured(str(protocol.pop("data")), str(protocol.pop("split")), protocol, results)
    return front_matter(
        _name(shared),
        shared.license,
        "unconditional-image-generation" if generates(shared.loaded) else "image-to-image",
        measured,
        tags=["jaxvae", "jax", what, config.model.kind.replace("_", "-")],
        datasets=[source.name] if isinstance(source, HuggingFace) and is_repository(source.name) else None,
        base_model=parse_hub_name(start).repository if start and is_hub_name(start) else None,
    )


def _introduction(shared: Shared) -> str:
    info = shared.loaded.info
    height, width, channels = info.shape
    colours = {1: "grey", 3: "RGB"}.get(channels, f"{channels}-band")
    what = "variational autoencoder" if info.config.objective.variational else "autoencoder"
    trained = f"trained on {_text(info.data['name'])} for {info.step} steps" if info.step else "converted, not trained,"
    return f"A {what} of {height} × {width} {colours} images, {trained} with jaxvae."


def _use(shared: Shared) -> str:
    name = f"hub:{shared.repository}"
    own = sorted(set(own_kinds(shared.loaded.info.config)))
    code, loading = (" --code FILE.py", ', code="FILE.py"') if own else ("", "")
    needs = (
        f"It uses kinds that jaxvae does not have ({_text(', '.join(own))}). The Python file that defines them is not "
        "in this repository, since nothing that is loaded may run code; whoever opens the run needs it.\n\n"
        if own
        else ""
    )
    command, call = (
        ("sample", "run.sample(16, seed=0)") if generates(shared.loaded) else ("reconstruct", "run.reconstruct(images)")
    )
    return (
        f"{needs}```bash\npip install 'jaxvae[hub]'\npython -m jaxvae.{command} {name}{code}\n```\n\n"
        f'```python\nimport jaxvae as jv\n\nrun = jv.load("{name}"{loading})\nimages = {call}\n'
        "codes = run.encode(images)\n```"
    )


def _facts(loaded: Loaded) -> dict[str, str]:
    _, params, info = loaded
    config = info.config
    count = sum(math.prod(leaf.shape) for leaf in jax.tree.leaves(params))
    facts = {
        "model": config.model.kind,
        "likelihood": f"{config.model.likelihood.kind} of {config.data.pixels} pixels",
        "prior": config.model.prior.kind,
        "fitted priors": ", ".join(info.fitted.kinds),
        "objective": config.objective.kind,
        "parameters": f"{count:,}" + ("" if info.parameters == "last" else f" ({info.parameters})"),
        "data": info.data["name"],
        "training": f"{info.step} steps of {config.train.batch_size} images" if info.step else "",
        "versions": ", ".join(f"{name} {version}" for name, version in info.versions.items()),
    }
    return {name: value for name, value in facts.items() if value}


PROTOCOL = ("data", "split", "n", "prior", "likelihood", "pixels", "bit_depth", "binarization", "k", "seed", "step",
            "parameters", "data_sha256", "backend")  # fmt: skip


def _protocol(evaluation: Evaluation) -> dict[str, Any]:
    protocol = {name: evaluation.protocol.get(name) for name in PROTOCOL}
    return {name: value for name, value in protocol.items() if value is not None or name in ("data", "split")}


def _numbers(evaluation: Evaluation | None) -> str:
    if evaluation is None:
        return "This checkpoint has not been measured with `python -m jaxvae.evaluate`."
    numbers = {each.title: str(each) for each in numbers_of(evaluation.report)}
    how = {name: str(value) for name, value in _protocol(evaluation).items()}
    return (
        f"Measured with `python -m jaxvae.evaluate`: means over the images ± their standard errors; larger "
        f"log-likelihoods are better. `evaluation.json` has all of it.\n\n{_table(numbers)}\n\nProtocol:\n\n"
        f"{_table(how)}"
    )


def _table(rows: Mapping[str, str]) -> str:
    return "\n".join(
        ["| | |", "| --- | --- |", *(f"| {_text(name)} | {_text(value)} |" for name, value in rows.items())]
    )


def _text(value: str) -> str:
    """Returns text on one line of Markdown, escaping what would end a cell or begin HTML."""
    return printable(value).replace("|", "\\|").replace("<", "&lt;")
