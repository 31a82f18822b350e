"""The cartoon faces of the default experiment with a hierarchy of latents: eleven minutes on two free CPU cores.

make train DATASET=avatars_top_down

The coarsest level is a single place: with 2x2 places on top, whose codes are independent, the two halves of a face that
is drawn do not go together. The coarse levels learn first (--objective.coarse-first-steps); otherwise the finest level
takes most of the code, and draws from the prior have no shape. The learning rate stays constant, since the moving
average of the parameters is what is evaluated: 27.9 dB instead of 26.5 in as many steps.
"""

from jaxvae import ELBO, Avatars, Config, DataConfig, TopDown, TrainConfig

config = Config(
    name="avatars_top_down",
    data=DataConfig(
        source=Avatars(), size=64, pixels="dequantized", walk_from="sunglasses=0,glasses=0", walk_to="sunglasses=1"
    ),
    model=TopDown(
        stem=(32, 64, 96),
        channels=(96, 128, 128, 128),
        blocks=(3, 3, 2, 1),
        encoder_blocks=(2, 2, 1, 1),
        latent=(8, 8, 16, 32),
    ),
    objective=ELBO(coarse_first_steps=1000),
    train=TrainConfig(
        steps=4000,
        batch_size=32,
        optimizer="adamax",
        learning_rate=3e-3,
        schedule="constant",
        warmup_steps=200,
        spike_factor=10.0,
        ema_decay=0.999,
    ),
)
