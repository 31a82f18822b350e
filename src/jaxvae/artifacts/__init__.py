"""A model as files that run without jaxvae: its encoder and decoder as StableHLO and as ONNX."""
