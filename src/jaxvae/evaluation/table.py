"""A report for people."""

from collections.abc import Iterator
from typing import Any

from jaxvae.errors import printable


def table(report: dict[str, Any]) -> str:
    """The main numbers of a report, a line each, and the doctor's findings."""
    how = report["protocol"]
    head = (
        f"{how['run']}, step {how['step']} ({how['parameters']} parameters): {how['data']} {how['split']}, "
        f"n = {how['n']}, prior {how['prior']}, likelihood {how['likelihood']} of {how['pixels']} pixels, "
        f"seed {how['seed']}"
    )
    rows = [f"  {name:<34} {value}" for name, value in _rows(report)]
    found = [f"  {each['name']}: {each['sentence']}\n    try {each['flag']}" for each in report["doctor"]]
    return "\n".join([printable(head), "", *rows, "", "doctor:", *(found or ["  nothing looks wrong"])])


def _rows(report: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for name in ("elbo_nats", "rate_nats", "distortion_nats"):
        if name in report:
            yield name, _told(report[name])
    for each in report.get("log_likelihood_nats", []):
        effective = f"   effective samples {each['effective_samples']:.1f}"
        yield f"log_likelihood_nats, K = {each['k']}", _told(each) + effective
    if bits := report.get("bits_per_dim"):
        yield "bits_per_dim", f"{_told(bits, 4)}   of {bits['bit_depth']}-bit values"
    if codes := report.get("codes"):
        yield "active_units", f"{codes['active_units']} of {codes['units']}"
        information = codes["mutual_information_nats"]
        yield "mutual_information_nats", f"{_told(information)}   at most log n = {information['at_most']:.2f}"
        yield "aggregate_kl_nats", _told(codes["aggregate_kl_nats"])
    shown = report["pictures"]
    yield "psnr_db", _told(shown["psnr_db"])
    if shown["ssim"]:
        yield "ssim", _told(shown["ssim"], 4)
    for name in ("frechet_reconstructions", "frechet_samples"):
        if shown[name]:
            yield name, f"{shown[name]['distance']:.4g}   of features {shown[name]['features']}"


def _told(number: dict[str, Any], digits: int = 2) -> str:
    error = number["standard_error"]
    return f"{number['mean']:.{digits}f}" + ("" if error is None else f" ± {error:.{digits}f}")
