"""The cartoon faces of the default experiment with a hierarchy of latents: 64 faces a second on each core of a CPU.

make train DATASET=avatars_top_down
"""

from jaxvae import Avatars, Config, DataConfig, TopDown, TrainConfig

config = Config(
    name="avatars_top_down",
    data=DataConfig(
        source=Avatars(), size=64, pixels="dequantized", walk_from="sunglasses=0,glasses=0", walk_to="sunglasses=1"
    ),
    model=TopDown(),
    train=TrainConfig(
        steps=3000,
        batch_size=32,
        optimizer="adamax",
        learning_rate=3e-3,
        warmup_steps=200,
        spike_factor=10.0,
        ema_decay=0.999,
    ),
)
