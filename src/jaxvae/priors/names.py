"""Names of the priors that a command can be asked for, without importing what they are made of."""

from typing import Literal

PriorName = Literal["model", "fitted_mixture", "fitted_flow", "fitted_flow_matching"]
