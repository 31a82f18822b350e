"""What the page must know before it can show anything."""

from typing import Any

import numpy as np

from jaxvae.explorer import exports, moves
from jaxvae.explorer.ends import MAX_UPLOAD_BYTES
from jaxvae.explorer.gallery import attribute_choices
from jaxvae.explorer.session import Session
from jaxvae.latents.attributes.request import known_values, written_values
from jaxvae.priors.fit_flow_matching import entries

SLIDER_FIELDS = ("key", "label", "note", "low", "high", "neutral")  # What the page knows of a slider.


def about(session: Session) -> dict[str, Any]:
    """Returns what a run offers, as JSON; `served` says that a server answers the page."""
    info, prepared = session.loaded.info, session.prepared
    return {
        "run": info.run.resolve().name, "step": info.step, "data": info.data["name"], "shape": list(info.shape),
        "served": True, "first": session.first, "last": session.last, "notes": session.notes,
        "test_images": info.data["splits"]["test"]["n"] if prepared else 0,
        "attributes": {name: list(values) for name, values in attribute_choices(prepared).items()} if prepared else {},
        "paths": moves.path_names(session.loaded), "priors": moves.prior_names(session.loaded),
        "requestable": known_values(session.loaded), "exchangeable": _exchangeable(session),
        "missing_formats": exports.missing_formats(), "largest_upload_bytes": MAX_UPLOAD_BYTES,
        "sliders": {
            group: [{name: getattr(s, name) for name in SLIDER_FIELDS} for s in sliders]
            for group, sliders in session.sliders.items()
        },
    }  # fmt: skip


def _exchangeable(session: Session) -> dict[str, list[str]]:
    if session.prepared is None or not session.prepared.attributes:
        return {}
    table = np.asarray(session.prepared.split("train").attributes)
    return written_values(session.loaded.info.data, *entries(table))
