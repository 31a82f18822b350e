"""The metadata at the head of a model card, which the hub searches, and shows next to the card."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from jaxvae.hub.client import library


class Result(NamedTuple):
    """A measured number, for the `model-index`: the kind of number, what it is called, and its value."""

    kind: str
    title: str
    value: float


class Measured(NamedTuple):
    """Numbers of a split of a data set, and how they were measured."""

    dataset: str
    split: str
    protocol: dict[str, Any]
    results: Sequence[Result]


def front_matter(name: str, license: str, pipeline: str, measured: Measured | None, **others: Any) -> str:
    """Returns the YAML between the lines of hyphens, these included.

    Args:
        name: of the model.
        license: identifier of its licence, as the hub lists them.
        pipeline: what it does, as the hub lists it.
        measured: numbers; None leaves the `model-index` out.
        others: further fields, such as `tags` and `datasets`; None leaves one out.
    """
    results = measured and [
        library().EvalResult(
            task_type=pipeline, dataset_type=measured.dataset, dataset_name=measured.dataset,
            dataset_split=measured.split, dataset_args=measured.protocol,
            metric_type=each.kind, metric_name=each.title, metric_value=each.value,
        )
        for each in measured.results
    ]  # fmt: skip
    data = library().ModelCardData(
        library_name="jaxvae", license=license, pipeline_tag=pipeline,
        model_name=name if results else None, eval_results=results or None, **others,
    )  # fmt: skip
    return f"---\n{data.to_yaml()}\n---\n"
