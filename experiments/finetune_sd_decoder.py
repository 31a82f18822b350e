"""The decoder of Stable Diffusion's autoencoder tuned on your own images, 256x256, for an accelerator.

    python -m jaxvae.convert sd-vae-ft-mse runs/sd --size 256
    make train DATASET=finetune_sd_decoder RAW=/my/pictures
    python -m jaxvae.convert runs/finetune_sd_decoder my-vae

Not run yet. The encoder is frozen: every image keeps its code, and the diffusion models that were trained on such
codes stay valid. `python -m jaxvae.plan finetune_sd_decoder --target gpu:24` says what fits.
"""

from jaxvae import Adversarial, Config, DataConfig, Folder, KLAutoencoder, TrainConfig

config = Config(
    name="finetune_sd_decoder",
    data=DataConfig(source=Folder(), size=256, color="rgb", flip=True),
    model=KLAutoencoder(
        channels=(128, 256, 512, 512),
        layers_per_block=2,
        groups=32,
        latent=4,
        scaling_factor=0.18215,
        start_from="runs/sd",
    ),
    objective=Adversarial(
        reconstruction="l1",
        beta=0.0,
        adversarial=0.1,
        start=2000,
    ),
    train=TrainConfig(
        steps=20_000,
        batch_size=8,
        freeze=("encoder",),
        learning_rate=1e-5,
        warmup_steps=500,
        ema_decay=0.9995,
        log_every=50,
        validate_every=2000,
        picture_every=2000,
        mixture_components=0,
        fitted_flow_steps=0,
    ),
)
