"""On which devices a run is computed, and how it is laid out on them."""

from dataclasses import dataclass

from jaxvae.config.checks import Checked, require


@dataclass(frozen=True, kw_only=True)
class DevicesConfig(Checked):
    """Speed and memory. Results stay the same to rounding, so a run may continue with other values."""

    prefix = "devices."

    count: int | None = None
    """Number of this machine's devices to train on; by default as many as divide the batch."""
    fsdp: bool = False
    """Shard parameters and optimizer state over the devices (FSDP) instead of replicating them."""
    accumulate: int = 1
    """Split each batch into this many parts and accumulate their gradients: less memory, the same update. The noise is
    drawn in another order than for 1."""
    rematerialize: bool = False
    """Recompute activations for the gradient instead of keeping them: less memory, more time."""
    coordinator: str | None = None
    """HOST:PORT of process 0 when several machines train together; detected under Slurm and on Cloud TPU."""
    processes: int | None = None
    """Number of processes that train together; needs devices.coordinator."""
    process: int | None = None
    """Index of this process, from 0; needs devices.coordinator."""

    def check(self) -> None:
        """Refuses counts below 1, and a coordinator without its processes."""
        self.require_at_least(1, "count", "accumulate")
        given = [each is not None for each in (self.coordinator, self.processes, self.process)]
        wanted = "given together with devices.processes and devices.process, or omitted with them"
        require(all(given) or not any(given), "devices.coordinator", self.coordinator, wanted)
        if self.coordinator is None or self.processes is None or self.process is None:
            return
        host, _, port = self.coordinator.rpartition(":")
        require(bool(host) and port.isdecimal(), "devices.coordinator", self.coordinator, "HOST:PORT")
        require(self.processes >= 1, "devices.processes", self.processes, "at least 1")
        inside = 0 <= self.process < self.processes
        require(inside, "devices.process", self.process, f"from 0 to {self.processes - 1}, as devices.processes says")
