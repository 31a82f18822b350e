"""Everything about the package is in pyproject.toml, but that the wheel carries the stock experiments along.

They stand in experiments/, where a reader of the repository finds them; `jaxvae.cli.experiments` finds them in both
places.
"""

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py


class BuildWithExperiments(build_py):
    """Copies the files directly in experiments/, but not the benchmarks and studies below it."""

    def run(self) -> None:
        """Builds the package; an editable one uses the repository's own files."""
        super().run()
        if not self.editable_mode:
            target = Path(self.build_lib) / "jaxvae" / "experiments"
            target.mkdir(parents=True, exist_ok=True)
            for file in sorted(Path("experiments").glob("*.py")):
                shutil.copy(file, target)


setup(cmdclass={"build_py": BuildWithExperiments})
