"""The benchmark models in PyTorch, initialised with the parameters of a jaxvae model."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

LOG_2PI = 1.8378770664093453


def as_jax_multiplies() -> None:
    """Computes matrix products on a GPU in TF32, the default of JAX."""
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = True


def wait(device: str) -> None:
    """Waits until the device has finished its work."""
    if device == "cuda":
        torch.cuda.synchronize()


def bounded(value: Tensor, low: float, high: float) -> Tensor:
    """Bounds the log-variance of q(z|x) softly to [low, high], as jaxvae does."""
    value = high - functional.softplus(high - value)
    return low + functional.softplus(value - low)


def dense(params: dict[str, Any]) -> nn.Linear:
    """Builds a linear layer with the parameters of a Flax layer."""
    layer = nn.Linear(*params["kernel"].shape)
    layer.load_state_dict({"weight": torch.tensor(params["kernel"].T.copy()), "bias": torch.tensor(params["bias"])})
    return layer


def kl(mean: Tensor, log_variance: Tensor) -> Tensor:
    """Computes KL(N(mean, variance) || N(0, I)) of each example, in nats."""
    return 0.5 * (log_variance.exp() - log_variance - 1.0 + mean.square()).sum(1)


class ConvVAE(nn.Module):
    """The convolutional model: 4x4 convolutions of stride 2, mirrored decoder, Gaussian with one learned scale."""

    def __init__(self, params: dict[str, Any]) -> None:
        super().__init__()
        encoder, decoder = params["encoder"], params["decoder"]
        self.down = nn.ModuleList(self._down(encoder[f"Down_{i}"]["Conv_0"]) for i in range(4))
        self.up = nn.ModuleList(self._up(decoder[f"Up_{i}"]["Deconv_0"]) for i in range(4))
        # PyTorch flattens channels before rows and columns, Flax after them.
        heads, start = encoder["Dense_0"], decoder["Dense_0"]
        kernel = heads["kernel"].reshape(4, 4, 256, -1).transpose(2, 0, 1, 3).reshape(4096, -1)
        self.heads = dense({"kernel": kernel, "bias": heads["bias"]})
        kernel = start["kernel"].reshape(-1, 4, 4, 256).transpose(0, 3, 1, 2).reshape(-1, 4096)
        bias = start["bias"].reshape(4, 4, 256).transpose(2, 0, 1).reshape(-1)
        self.start = dense({"kernel": kernel, "bias": bias})
        self.scale = nn.Parameter(torch.tensor(params["likelihood"]["log_variance"]))

    @staticmethod
    def _down(params: dict[str, Any]) -> nn.Conv2d:
        inputs, outputs = params["kernel"].shape[2:]
        layer = nn.Conv2d(inputs, outputs, 4, 2, 1)
        weight = torch.tensor(params["kernel"].transpose(3, 2, 0, 1).copy())
        layer.load_state_dict({"weight": weight, "bias": torch.tensor(params["bias"])})
        return layer

    @staticmethod
    def _up(params: dict[str, Any]) -> nn.ConvTranspose2d:
        outputs, inputs = params["kernel"].shape[2:]
        layer = nn.ConvTranspose2d(inputs, outputs, 4, 2, 1)
        weight = torch.tensor(params["kernel"].transpose(3, 2, 0, 1).copy())
        layer.load_state_dict({"weight": weight, "bias": torch.tensor(params["bias"])})
        return layer

    def forward(self, x: Tensor, noise: Tensor) -> Tensor:
        """Returns the batch mean of -ELBO in nats, for images [b, 3, 64, 64] in [0, 1]."""
        h = 2.0 * x - 1.0
        for layer in self.down:
            h = functional.relu(layer(h))
        mean, log_variance = self.heads(h.flatten(1)).chunk(2, 1)
        log_variance = bounded(log_variance, -12.0, 4.0)
        h = self.start(mean + torch.exp(0.5 * log_variance) * noise).view(-1, 256, 4, 4)
        if x.is_contiguous(memory_format=torch.channels_last):
            h = h.contiguous(memory_format=torch.channels_last)
        for layer in self.up:
            h = layer(functional.relu(h))
        log_scale = -2.0 + 5.0 * self.scale
        log_density = -0.5 * ((x - h).square() * torch.exp(-2.0 * log_scale) + 2.0 * log_scale + LOG_2PI)
        return (kl(mean, log_variance) - log_density.sum((1, 2, 3))).mean()


class MLPEncoder(nn.Module):
    """The 784-400-2d encoder: mean and log-variance of q(z|x)."""

    def __init__(self, params: dict[str, Any]) -> None:
        super().__init__()
        self.hidden, self.heads = dense(params["Hidden_0"]["Dense_0"]), dense(params["Dense_0"])

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Encodes images [b, ...] in [0, 1]."""
        mean, log_variance = self.heads(functional.relu(self.hidden(2.0 * x.flatten(1) - 1.0))).chunk(2, 1)
        return mean, bounded(log_variance, -12.0, 4.0)


class MLPDecoder(nn.Module):
    """The d-400-784 decoder: logits."""

    def __init__(self, params: dict[str, Any]) -> None:
        super().__init__()
        self.hidden, self.out = dense(params["Hidden_0"]["Dense_0"]), dense(params["Dense_0"])

    def forward(self, z: Tensor) -> Tensor:
        """Decodes codes [b, d]."""
        logits: Tensor = self.out(functional.relu(self.hidden(z)))
        return logits


class GatedDecoder(nn.Module):
    """The d-300-300-784 decoder with gated hidden layers: logits."""

    def __init__(self, params: dict[str, Any]) -> None:
        super().__init__()
        self.hidden = nn.ModuleList(dense(params[f"Hidden_{i}"]["Dense_0"]) for i in range(2))
        self.out = dense(params["Dense_0"])

    def forward(self, z: Tensor) -> Tensor:
        """Decodes codes [b, d]."""
        for layer in self.hidden:
            z = functional.glu(layer(z), dim=-1)
        logits: Tensor = self.out(z)
        return logits
