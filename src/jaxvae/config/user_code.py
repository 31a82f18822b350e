"""A user's own Python file: an experiment, or the kinds that a checkpoint names."""

import hashlib
import importlib.util
import os
import sys
from pathlib import Path
from types import ModuleType

from jaxvae.errors import UserError, suggest

LARGEST = 64 * 2**20


def import_file(path: Path, what: str = "file") -> ModuleType:
    """Runs a Python file that the user named, once per process, and returns it as a module.

    The kinds that it defines are known from then on.

    Raises:
        UserError: there is no such file, or it raises an error.
    """
    if not os.path.isfile(path):  # Also for names too long to be one.
        others = sorted(str(other) for other in path.parent.glob("*.py")) if os.path.isdir(path.parent) else []
        raise UserError(f"there is no {what} {path}: {suggest(str(path), others)}")
    if (size := os.path.getsize(path)) > LARGEST:
        raise UserError(
            f"the {what} {path} is too large for a Python file: {size:,} bytes; expected at most {LARGEST:,}."
        )
    resolved = path.resolve()
    # A module of its own rather than `runpy`: its classes must find their annotations later.
    name = f"_jaxvae_user_{resolved.stem}_{hashlib.sha256(str(resolved).encode()).hexdigest()[:8]}"
    spec = importlib.util.spec_from_file_location(name, resolved)
    if spec is None or spec.loader is None:
        raise UserError(f"the {what} {path} is not a Python file; its name must end in .py.")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    # No cache next to the user's file, which might also be stale for a file edited twice within a second.
    before, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    try:
        spec.loader.exec_module(module)
    except UserError as error:
        del sys.modules[name]
        raise UserError(f"the {what} {path} cannot be read: {error}") from error
    except (Exception, SystemExit) as error:  # Whatever the user's code raises is about the user's code.
        del sys.modules[name]
        raise UserError(f"the {what} {path} cannot be read: {describe_error(error)}.") from error
    finally:
        sys.dont_write_bytecode = before
    return module


def describe_error(error: BaseException) -> str:
    """Returns the kind and message of an error of the user's code, and the line that raised it, in one sentence."""
    line = ""
    trace = error.__traceback__
    while trace is not None:
        if trace.tb_next is None or "importlib" not in trace.tb_frame.f_code.co_filename:
            line = f", in line {trace.tb_lineno} of {Path(trace.tb_frame.f_code.co_filename).name}"
        trace = trace.tb_next
    what = " ".join(str(error).split())
    return f"{type(error).__name__}{f': {what}' if what else ''}{line}"
