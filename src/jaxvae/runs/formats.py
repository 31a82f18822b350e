"""Configs of earlier formats, brought to the present one: every checkpoint ever written opens.

Format 1 lacks the guard of the train state. Format 2 has flat configs, in which one `name` chose the kind and fields of
all kinds stood side by side. Format 3 has a `kind` for each part, with its own fields.
"""

from typing import Any

from jaxvae.data.sources.kinds import source_named

OBJECTIVE_FIELDS = {
    "elbo": ("beta", "warmup_steps", "warmup_cycles", "free_nats", "free_groups", "capacity_nats", "capacity_steps"),
    "iwae": ("samples", "doubly_reparameterized"),
    "beta_tcvae": ("beta", "warmup_steps", "warmup_cycles"),
    "mmd": ("beta", "warmup_steps", "warmup_cycles", "mmd_weight"),
    "autoencoder": (),
}
MODEL_FIELDS = {
    "conv": ("latent", "log_variance_range", "dtype", "channels", "latent_kind", "down", "up"),
    "mlp": ("latent", "log_variance_range", "dtype", "hidden", "activation"),
}
PRIOR_FIELDS = {
    "standard_normal": {},
    "mixture": {"prior_components": "components"},
    "vamp": {"prior_components": "components"},
    "flow": {"flow_pairs": "pairs", "flow_hidden": "hidden"},
}
MODEL_NAMES = {"network", "likelihood", "prior", "scale", "fixed_scale", "logistics", "prior_components",
               "flow_pairs", "flow_hidden", *MODEL_FIELDS["conv"], *MODEL_FIELDS["mlp"]}  # fmt: skip


def upgraded(values: Any) -> Any:
    """Returns the JSON of a config in the present format.

    A field that no format ever had stays where it is, to be refused by name.
    """
    if not isinstance(values, dict):
        return values
    values = dict(values)
    for name, upgrade in (("model", _model), ("objective", _objective), ("data", _data)):
        part = values.get(name)
        if isinstance(part, dict) and "kind" not in part and "source" not in part:
            values[name] = upgrade(part)
    return values


def _model(old: dict[str, Any]) -> dict[str, Any]:
    network = old.get("network", "conv")
    unknown = {name: value for name, value in old.items() if name not in MODEL_NAMES}
    likelihood: dict[str, Any] = {"kind": old.get("likelihood", "normal")}
    if likelihood["kind"] in ("normal", "laplace") and "scale" in old:
        likelihood["scale"] = old.get("fixed_scale", 0.1) if old["scale"] == "fixed" else old["scale"]
    if likelihood["kind"] == "discretized_logistic_mixture" and "logistics" in old:
        likelihood["components"] = old["logistics"]
    prior: dict[str, Any] = {"kind": old.get("prior", "standard_normal")}
    prior |= {new: old[name] for name, new in PRIOR_FIELDS.get(_text(prior["kind"]), {}).items() if name in old}
    own = {name: old[name] for name in MODEL_FIELDS.get(_text(network), ()) if name in old}
    return {"kind": network, **own, "likelihood": likelihood, "prior": prior, **unknown}


def _objective(old: dict[str, Any]) -> dict[str, Any]:
    kind = old.get("name", "elbo")
    known = {"name", *(name for names in OBJECTIVE_FIELDS.values() for name in names)}
    unknown = {name: value for name, value in old.items() if name not in known}
    own = {name: old[name] for name in OBJECTIVE_FIELDS.get(_text(kind), ()) if name in old}
    return {"kind": kind, **own, **unknown}


def _data(old: dict[str, Any]) -> dict[str, Any]:
    rest = {name: value for name, value in old.items() if name not in ("name", "raw")}
    name, raw = old.get("name", "avatars"), old.get("raw")
    # Values of the wrong type stay, to be refused by name.
    named = isinstance(name, str) and (raw is None or isinstance(raw, str))
    return {"source": source_named(name, raw).to_json() if named else name, **rest}


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
