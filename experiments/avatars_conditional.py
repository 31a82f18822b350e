"""The default faces with a conditional VAE, which is told what they show and can be asked for it.

make train DATASET=avatars_conditional
make sample ARGS="--with sunglasses beard --without hat"
make interpolate ARGS="--from test:3 --with sunglasses"

It trains four times as long as the default, with wider networks: what is a few pixels, such as a brow, shows late.
"""

from jaxvae import Avatars, Config, Conv, DataConfig, TrainConfig

ATTRIBUTES = (
    "sunglasses", "glasses", "hat", "beard", "moustache", "smile", "open_mouth", "long_hair", "dark_hair", "brown_hair",
    "blond_hair", "grey_hair", "pale_skin", "closed_eyes", "angry",
)  # fmt: skip

config = Config(
    name="avatars_conditional",
    data=DataConfig(
        source=Avatars(), size=64, pixels="dequantized", walk_from="sunglasses=0,glasses=0", walk_to="sunglasses=1"
    ),
    model=Conv(channels=(32, 64, 128, 256), latent=64, attributes=ATTRIBUTES),
    train=TrainConfig(steps=12_000, batch_size=32, learning_rate=3e-3, warmup_steps=200, flow_matching_steps=6000),
)
