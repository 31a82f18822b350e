"""A user's own Python file: an experiment, or the kinds that a checkpoint names."""

import ast
import hashlib
import importlib.util
import os
import sys
from collections.abc import Iterator
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
    _require_file(path, what)
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


def _require_file(path: Path, what: str) -> None:
    if not os.path.isfile(path):  # Also for names too long to be one.
        others = sorted(str(other) for other in path.parent.glob("*.py")) if os.path.isdir(path.parent) else []
        raise UserError(f"there is no {what} {path}: {suggest(str(path), others)}")
    if (size := os.path.getsize(path)) > LARGEST:
        raise UserError(
            f"the {what} {path} is too large for a Python file: {size:,} bytes; expected at most {LARGEST:,}."
        )


def check_function(name: str, field: str) -> None:
    """Refuses a function FILE.py:FUNCTION that the file does not define, without running the file.

    Args:
        name: the file and the function.
        field: the field of the config that names them, for messages.

    Raises:
        UserError: the file is missing or not Python, or defines no such name.
    """
    file, _, function = name.rpartition(":")
    _require_file(Path(file), f"file of {field}")
    try:
        body = ast.parse(Path(file).read_text(encoding="utf-8-sig")).body
    except OSError as error:
        raise UserError(f"{field} is {name!r}, but {file} cannot be read: {error.strerror}.") from error
    except (ValueError, RecursionError, MemoryError) as error:
        raise UserError(f"{field} is {name!r}, but {file} is not a Python file: {error}.") from error
    except SyntaxError as error:
        raise UserError(f"{field} is {name!r}, but {file} is not Python: {error.msg}, line {error.lineno}.") from error
    defined = {bound for statement in body for bound in _names_bound(statement)}
    if function not in defined and "*" not in defined:
        raise UserError(
            f"{field} is {name!r}, but {file} does not define {function!r}; {suggest(function, sorted(defined))}"
        )


def _names_bound(statement: ast.stmt) -> Iterator[str]:
    if isinstance(statement, ast.FunctionDef | ast.ClassDef):
        yield statement.name
        return
    for node in ast.walk(statement):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id
        elif isinstance(node, ast.alias):
            yield node.asname or node.name
        elif isinstance(node, ast.FunctionDef | ast.ClassDef):  # Within an `if` or a `try`.
            yield node.name


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
