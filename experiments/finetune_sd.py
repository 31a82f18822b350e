"""The autoencoder of Stable Diffusion tuned on your own images, 256x256, for an accelerator.

    python -m jaxvae.convert sd-vae-ft-mse runs/sd --size 256
    make train DATASET=finetune_sd RAW=/my/pictures
    python -m jaxvae.convert runs/finetune_sd my-vae

Not run yet. Encoder and decoder are tuned, so that a diffusion model has to be tuned too; finetune_sd_decoder.py leaves
the codes as they are. `python -m jaxvae.plan finetune_sd --target gpu:24` says what fits; `--devices.accumulate` and
`--devices.rematerialize` save memory.
"""

from jaxvae import Adversarial, Config, DataConfig, Folder, KLAutoencoder, TrainConfig

config = Config(
    name="finetune_sd",
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
        adversarial=0.1,
        start=2000,
        equivariance=0.5,
    ),
    train=TrainConfig(
        steps=20_000,
        batch_size=8,
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
