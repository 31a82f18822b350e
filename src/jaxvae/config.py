"""What a run is: frozen dataclasses that the command line fills in and the checkpoint carries as JSON."""

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

import cattrs

from jaxvae.errors import UserError


def _require(condition: bool, name: str, value: object, wanted: str) -> None:
    if not condition:
        raise UserError(f"{name} is {value!r}, but must be {wanted}.")


@dataclass(frozen=True, kw_only=True)
class DataConfig:
    """Which pictures, and how they are brought to one shape."""

    name: str = "avatars"
    """`avatars`, any TFDS image set by its name, `folder` (with `raw`), or the path of a folder, .npz or .npy."""
    raw: str | None = None
    """Folder of hand-downloaded files for a TFDS set, or the folder of images for `folder`."""
    root: str = "data"
    """Where prepared data sets are kept."""
    crop: int | None = None
    """Side in pixels of the centred square that is cut out first; without it the largest one that fits."""
    size: int | None = 64
    """Side in pixels that the square is resized to; without it pictures stay as they are and must agree."""
    color: Literal["keep", "rgb", "grey"] = "keep"
    """Colours of the prepared pictures; `keep` is grey only where every picture of the source is."""
    pixels: Literal["dequantized", "scaled", "binarized"] = "scaled"
    """What the model sees of a pixel: (v + u) / 256 with u uniform, v / 255, or a coin that falls 1 with v / 255."""
    flip: bool = False
    """Mirror half of the training pictures, drawn anew at each step."""
    walk_from: str | None = None
    """Where the walks through latent space begin: `test:NUMBER`, or a wish such as `sunglasses=0`."""
    walk_to: str | None = None
    """Where they end. Without these two, at the first two test pictures."""
    skip_share: float = 0.01
    """Largest share of unreadable files that a folder may hold before that is an error."""

    def __post_init__(self) -> None:
        _require(bool(self.name), "data.name", self.name, "the name of a data set")
        _require(self.crop is None or self.crop >= 1, "data.crop", self.crop, "at least 1")
        _require(self.size is None or self.size >= 1, "data.size", self.size, "at least 1")
        _require(0 <= self.skip_share <= 1, "data.skip_share", self.skip_share, "between 0 and 1")


@dataclass(frozen=True, kw_only=True)
class ModelConfig:
    """The networks, the latent space and the likelihood."""

    network: Literal["conv", "mlp"] = "conv"
    """Convolutions, or dense layers on the flattened picture."""
    latent: int = 64
    """Number of latent units; for a spatial code the number of its channels."""
    latent_kind: Literal["vector", "spatial"] = "vector"
    """One vector per picture, or (conv) a map of h x w x channels at the coarsest resolution."""
    channels: tuple[int, ...] = (32, 64, 128, 256)
    """conv: channels at each halving of the picture, finest first."""
    hidden: tuple[int, ...] = (400,)
    """mlp: units of the hidden layers of the encoder; the decoder mirrors them."""
    activation: Literal["relu", "tanh", "gated"] = "relu"
    """mlp: what follows each hidden layer; `gated` is h * sigmoid(g), with h and g from a layer each."""
    down: Literal["stride", "max_pool", "avg_pool"] = "stride"
    """conv: halve by a strided 4x4 convolution, or by a 3x3 convolution and pooling."""
    up: Literal["deconv", "unpool"] = "deconv"
    """conv: double by a transposed 4x4 convolution, or by repeating pixels (reverse pooling) and a 3x3 convolution."""
    log_variance_range: tuple[float, float] = (-12.0, 4.0)
    """Bounds, smoothly approached, of the logarithm of the variance of q(z|x)."""
    prior: Literal["standard_normal", "mixture", "vamp", "flow"] = "standard_normal"
    """p(z): N(0, I), or learned: Gaussians, the posteriors of pseudo-inputs (VampPrior), or a flow (RealNVP)."""
    prior_components: int = 100
    """mixture, vamp: how many Gaussians, or pseudo-inputs."""
    flow_layers: int = 8
    """flow: affine couplings."""
    flow_hidden: int = 128
    """flow: units of the hidden layers of each coupling."""
    likelihood: Literal[
        "normal", "laplace", "bernoulli", "continuous_bernoulli", "discretized_logistic", "discretized_logistic_mixture"
    ] = "normal"
    """p(x|z): what distribution the decoder describes for each pixel."""
    scale: Literal["shared", "per_pixel", "fixed"] = "shared"
    """normal, laplace: one learned scale for all pixels, one from the decoder for each, or `fixed_scale`."""
    fixed_scale: float = 0.1
    """normal: the standard deviation, laplace: the scale, in units of the pixel range [0, 1]."""
    logistics: int = 10
    """discretized_logistic_mixture: logistics per pixel."""
    dtype: Literal["float32", "bfloat16"] = "float32"
    """What the networks compute in; parameters, likelihood and KL stay float32."""

    def __post_init__(self) -> None:
        for name in ("latent", "logistics", "prior_components", "flow_layers", "flow_hidden"):
            _require(getattr(self, name) >= 1, f"model.{name}", getattr(self, name), "at least 1")
        _require(self.fixed_scale > 0, "model.fixed_scale", self.fixed_scale, "above 0")
        for name in ("channels", "hidden"):
            sizes = getattr(self, name)
            _require(bool(sizes) and min(sizes) >= 1, f"model.{name}", sizes, "one or more sizes of at least 1")
        low, high = self.log_variance_range
        _require(low < high, "model.log_variance_range", self.log_variance_range, "the lower bound, then the upper")
        conv = self.network == "conv"
        if self.latent_kind == "spatial":
            _require(conv, "model.network", self.network, "'conv' when model.latent_kind is 'spatial'")
        if conv:
            _require(self.activation == "relu", "model.activation", self.activation, "'relu' when model.network is 'conv'")
        if self.prior == "flow" and self.latent_kind == "vector":
            _require(self.latent >= 2, "model.latent", self.latent, "at least 2 when model.prior is 'flow'")


@dataclass(frozen=True, kw_only=True)
class ObjectiveConfig:
    """What training makes large."""

    name: Literal["elbo", "iwae", "autoencoder"] = "elbo"
    """The evidence lower bound, the tighter importance-weighted one, or log p(x|z) at the posterior mean alone."""
    beta: float = 1.0
    """elbo: weight of the KL term in training (Higgins et al. 2017); 1 is the bound itself."""
    warmup_steps: int = 0
    """elbo: steps over which the weight rises linearly from 0 to beta."""
    samples: int = 5
    """iwae: importance samples per picture."""
    doubly_reparameterized: bool = False
    """iwae: the gradient of Tucker et al. 2019, whose signal does not fade as samples grow."""

    def __post_init__(self) -> None:
        _require(self.beta >= 0, "objective.beta", self.beta, "at least 0")
        _require(self.warmup_steps >= 0, "objective.warmup_steps", self.warmup_steps, "at least 0")
        _require(self.samples >= 1, "objective.samples", self.samples, "at least 1")


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """How long, how fast, and what is written down on the way."""

    steps: int = 3000
    """Parameter updates in all."""
    batch_size: int = 64
    """Pictures per update."""
    learning_rate: float = 1e-3
    """Peak of the schedule."""
    schedule: Literal["cosine", "constant"] = "cosine"
    """What the learning rate does after its warm-up: a cosine to zero at the last step, or nothing."""
    warmup_steps: int = 100
    """Updates over which the learning rate rises."""
    weight_decay: float = 0.0
    """Decoupled weight decay (AdamW)."""
    clip_norm: float | None = 100.0
    """Largest global norm of the gradient, of an objective summed over pixels; larger ones are scaled down."""
    ema_decay: float = 0.0
    """Decay of the running mean of the parameters that evaluation and sampling then use; 0 is off."""
    log_every: int = 10
    """Updates between two lines of metrics."""
    validate_every: int = 500
    """Updates between two passes over the whole validation split, each with a checkpoint."""
    patience: int = 0
    """Validations without a better one after which training stops, to keep the best parameters; 0 never stops."""
    picture_every: int = 500
    """Updates between two sets of pictures."""
    mixture_components: int = 10
    """Gaussians of the mixture fitted to the training codes when training ends, for sampling; 0 fits none."""

    def __post_init__(self) -> None:
        for name in ("steps", "batch_size", "log_every", "validate_every", "picture_every"):
            _require(getattr(self, name) >= 1, f"train.{name}", getattr(self, name), "at least 1")
        _require(self.learning_rate > 0, "train.learning_rate", self.learning_rate, "above 0")
        _require(self.clip_norm is None or self.clip_norm > 0, "train.clip_norm", self.clip_norm, "above 0, or None")
        for name in ("warmup_steps", "weight_decay", "mixture_components", "patience"):
            _require(getattr(self, name) >= 0, f"train.{name}", getattr(self, name), "at least 0")
        _require(0 <= self.ema_decay < 1, "train.ema_decay", self.ema_decay, "at least 0 and below 1")


@dataclass(frozen=True, kw_only=True)
class Config:
    """One experiment."""

    name: str = ""
    """Name of the experiment, after which its run folder is called; the data set's when left out."""
    seed: int = 0
    """Root of all randomness: initial parameters, noise, order of the data."""
    data: DataConfig = field(default_factory=DataConfig)
    model: ModelConfig = field(default_factory=ModelConfig)
    objective: ObjectiveConfig = field(default_factory=ObjectiveConfig)
    train: TrainConfig = field(default_factory=TrainConfig)

    def __post_init__(self) -> None:
        # The seed also keys NumPy's Philox, which takes no negative numbers.
        _require(0 <= self.seed < 2**32, "seed", self.seed, "between 0 and 2**32 - 1")
        likelihood = self.model.likelihood
        pixels = PIXELS.get(likelihood, ("dequantized", "scaled"))
        wanted = f"{' or '.join(map(repr, pixels))} when model.likelihood is {likelihood!r}"
        _require(self.data.pixels in pixels, "data.pixels", self.data.pixels, wanted)


# What a likelihood is a distribution over: bits, the 256 stored values, or (all others) real numbers.
PIXELS = {
    "bernoulli": ("binarized", "scaled"),
    "discretized_logistic": ("scaled",),
    "discretized_logistic_mixture": ("scaled",),
}


def run_name(config: Config) -> str:
    """What the run's folder is called."""
    if config.name:
        return config.name
    path = Path(config.data.name).expanduser()
    return (path.resolve().stem if path.exists() else config.data.name.replace("/", "-")) or "run"


_converter = cattrs.Converter(forbid_extra_keys=True)


def to_json(config: Config) -> dict[str, Any]:
    """The config as JSON values: nested dicts, lists, strings and numbers."""
    # Tuples become lists, as they will when the file is read again.
    return _converter.unstructure(asdict(config), unstructure_as=dict)


def from_json(values: dict[str, Any]) -> Config:
    """The config written by `to_json`; `UserError` names a field that is unknown or of the wrong type."""
    if not isinstance(values, dict):
        raise UserError(f"the configuration cannot be read: it is no JSON object but {values!r}.")
    try:
        return _converter.structure(values, Config)
    except cattrs.BaseValidationError as error:
        raise UserError(f"the configuration cannot be read: {'; '.join(cattrs.transform_error(error))}.") from error


def differences(old: Config, new: Config) -> list[str]:
    """Each field that differs, as "train.steps is 50 there and 3000 here"."""
    left, right = flatten(to_json(old)), flatten(to_json(new))
    return [f"{name} is {left[name]!r} there and {right[name]!r} here" for name in left if left[name] != right[name]]


def flatten(values: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested dicts as one dict with dotted names."""
    flat: dict[str, Any] = {}
    for name, value in values.items():
        flat |= flatten(value, f"{prefix}{name}.") if isinstance(value, dict) else {f"{prefix}{name}": value}
    return flat
