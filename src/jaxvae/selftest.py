"""`python -m jaxvae.selftest`: checks the numerics on this machine."""

import sys

from jaxvae.cli import check_seed, run_command


def selftest(seed: int = 0) -> None:
    """Checks bounds, divergences, likelihoods and gradients against closed forms; exits with code 1 if any check fails.

    Example: python -m jaxvae.selftest --seed 1

    Args:
        seed: Seed of the random samples that some checks need.
    """
    check_seed(seed)

    import jax

    from jaxvae.evaluation.closed_forms import run_checks

    print(
        f"{'':4}  {'measured':>12}  {'from':>12}  {'to':>12}  claim   (jax {jax.__version__}, {jax.default_backend()})"
    )
    failed = 0
    for check in run_checks(jax.random.key(seed)):
        failed += not check.passed
        verdict = "PASS" if check.passed else "FAIL"
        print(f"{verdict:4}  {check.measured:12.5f}  {check.low:12.5f}  {check.high:12.5f}  {check.claim}", flush=True)
    print(f"{failed} failed" if failed else "all passed")
    if failed:
        sys.exit(1)


if __name__ == "__main__":
    run_command(selftest, "selftest")
