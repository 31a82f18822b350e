"""On which devices a run is computed, and how it is laid out on them."""

from dataclasses import dataclass

from jaxvae.config.checks import Checked, require


@dataclass(frozen=True, kw_only=True)
class DevicesConfig(Checked):
    """Speed and memory. What is computed stays the same to rounding, so a run may go on under other values."""

    prefix = "devices."

    count: int | None = None
    """Devices to train on, of those that this machine has; without it as many as divide the batch."""
    fsdp: bool = False
    """Share parameters and optimizer state out among the devices (fully sharded); without it each holds a copy."""
    accumulate: int = 1
    """Parts of each batch that are computed one after the other, their gradients added: less memory, the same update.
    The noise of the samples is drawn in another order than for 1."""
    rematerialize: bool = False
    """Compute the networks' inner values anew for the gradient rather than keep them: less memory, more time."""
    coordinator: str | None = None
    """HOST:PORT of process 0 where several machines train together; under Slurm and on Cloud TPU found by itself."""
    processes: int | None = None
    """How many processes train together; goes with the coordinator."""
    process: int | None = None
    """Which of them this is, from 0; goes with the coordinator."""

    def check(self) -> None:
        """Refuses counts below 1, and a coordinator without its processes."""
        self.require_at_least(1, "count", "accumulate")
        given = [each is not None for each in (self.coordinator, self.processes, self.process)]
        wanted = "given together with devices.processes and devices.process, or left out with them"
        require(all(given) or not any(given), "devices.coordinator", self.coordinator, wanted)
        if self.coordinator is None or self.processes is None or self.process is None:
            return
        host, _, port = self.coordinator.rpartition(":")
        require(bool(host) and port.isdecimal(), "devices.coordinator", self.coordinator, "HOST:PORT")
        require(self.processes >= 1, "devices.processes", self.processes, "at least 1")
        inside = 0 <= self.process < self.processes
        require(inside, "devices.process", self.process, f"from 0 to {self.processes - 1}, as devices.processes says")
