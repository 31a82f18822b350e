"""What all commands share: arguments (tyro), help texts, output files, and errors reported in one sentence."""

from jaxvae.cli.checks import check_count, check_seed
from jaxvae.cli.config_flags import choose_kinds, parse_with_experiment
from jaxvae.cli.experiments import read_experiment
from jaxvae.cli.outcome import told
from jaxvae.cli.output import Output, report, say
from jaxvae.cli.parsing import parse, run_command

__all__ = [
    "Output",
    "check_count",
    "check_seed",
    "choose_kinds",
    "parse",
    "parse_with_experiment",
    "read_experiment",
    "report",
    "run_command",
    "say",
    "told",
]
