"""The metadata at the head of a model card, which the hub searches, and shows next to the card."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from jaxvae.hub.client import library


class Result(NamedTuple):
    """A measured number, for the `model-index`: `kind` and `title` of it, its value, and how it was measured."""

    kind: str
    title: str
    value: float
    dataset: str
    split: str
    protocol: dict[str, Any]


def front_matter(name: str, license: str, pipeline: str, results: Sequence[Result], **others: Any) -> str:
    """Returns the YAML between the lines of hyphens, these included.

    Args:
        name: of the model.
        license: identifier of its licence, as the hub lists them.
        pipeline: what it does, as the hub lists it.
        results: measured numbers; none leaves the `model-index` out.
        others: further fields, such as `tags` and `datasets`; None leaves one out.
    """
    measured = [
        library().EvalResult(
            task_type=pipeline, dataset_type=each.dataset, dataset_name=each.dataset, dataset_split=each.split,
            metric_type=each.kind, metric_name=each.title, metric_value=each.value, metric_args=each.protocol,
        )
        for each in results
    ]  # fmt: skip
    data = library().ModelCardData(
        library_name="jaxvae", license=license, pipeline_tag=pipeline, model_name=name, eval_results=measured or None,
        **others,
    )  # fmt: skip
    return f"---\n{data.to_yaml()}\n---\n"
