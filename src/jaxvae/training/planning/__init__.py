"""Memory, FLOPs and communication of a train step, estimated by compiling it for hardware you don't have."""
