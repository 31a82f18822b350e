"""How the suite compiles programs, where a test depends on it."""

# The suite compiles with XLA's older emitters of fused loops. They round the same terms of two programs, or of two
# branches of one, differently, so bits are compared as XLA compiles for users.
AS_FOR_USERS = {"xla_cpu_use_fusion_emitters": True}
