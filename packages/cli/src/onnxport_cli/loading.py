"""Models named on the command line: ``MODULE:FACTORY``, ``file.py:FACTORY``, or a TorchScript file."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import re
import sys
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from onnxport.errors import InvalidArgument

_DTYPES = {
    name: getattr(torch, name)
    for name in ("float16", "bfloat16", "float32", "float64", "int8", "int16", "int32", "int64", "uint8", "bool")
}
_INPUT = re.compile(r"(?:(?P<name>[A-Za-z_]\w*)=)?(?P<shape>\d+(?:,\d+)*|scalar)(?::(?P<dtype>\w+))?")


@dataclass(frozen=True)
class Loaded:
    """A model and a call of it.

    Attributes:
        model: what is exported.
        args: positional arguments.
        kwargs: keyword arguments.
    """

    model: Any
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any] = field(default_factory=dict)


def load_model(source: str, inputs: list[str]) -> Loaded:
    """Load a model, and make the call that it is exported with.

    Args:
        source: ``package.module:factory``, ``path/to/file.py:factory`` or ``path/to/model.pt``. A factory is a module,
            or a function without parameters that gives a module, ``(module, args)`` or ``(module, args, kwargs)``.
        inputs: texts like ``1,3,224,224``, ``2,16:int64`` or ``mask=2,16:bool``; they replace the factory's arguments.

    Raises:
        InvalidArgument: if there is no such model, or no arguments are known.
    """
    args, kwargs = _make_inputs(inputs)
    path = Path(source)
    if path.suffix in (".pt", ".pth", ".ts", ".torchscript") or (path.is_file() and path.suffix != ".py"):
        loaded = Loaded(load_torchscript(path), ())
    else:
        loaded = _call_factory(source)
    if inputs:
        return Loaded(loaded.model, args, kwargs)
    if not loaded.args and not loaded.kwargs:
        raise InvalidArgument(
            f"{source} says nothing of the arguments of the model",
            hint="Give them: --input 1,3,224,224 --input 2,16:int64, or let the factory return (model, args).",
        )
    return loaded


def load_torchscript(path: Path) -> torch.jit.ScriptModule:
    """Load a file of ``torch.jit.save``, which holds a program of the script language and no pickled Python.

    Raises:
        InvalidArgument: for any other file, with what it is and why it is not loaded.
    """
    if not path.is_file():
        raise InvalidArgument(f"there is no file {path}")
    if not zipfile.is_zipfile(path):
        raise InvalidArgument(f"{path} is no file of torch.jit.save", hint="Save the model with torch.jit.save.")
    with zipfile.ZipFile(path) as archive:
        names = {name.split("/", 1)[-1] for name in archive.namelist()}
    if "constants.pkl" not in names or not any(name.startswith("code/") for name in names):
        raise InvalidArgument(
            f"{path} is a file of torch.save, not of torch.jit.save",
            why="it is a pickle, which can run any code when it is loaded, and holds no program that could be exported",
            hint="Give MODULE:FACTORY; the factory builds the model and loads this file with weights_only=True.",
        )
    try:
        loaded: torch.jit.ScriptModule = torch.jit.load(str(path), map_location="cpu")  # type: ignore[no-untyped-call]  # torch's
    except RuntimeError as error:
        raise InvalidArgument(f"{path} cannot be loaded", why=str(error).strip().splitlines()[0]) from error
    return loaded


def _call_factory(source: str) -> Loaded:
    where, colon, name = source.rpartition(":")
    if not colon or not where or not name:
        raise InvalidArgument(
            f"{source!r} names no model", hint="Write package.module:factory, path/to/file.py:factory or model.pt."
        )
    found: Any = _import(where)
    for part in name.split("."):
        if not hasattr(found, part):
            raise InvalidArgument(f"{where} has no {name}")
        found = getattr(found, part)
    if callable(found) and not isinstance(found, torch.nn.Module | torch.jit.ScriptFunction):
        found = _called(source, found)
    match found:
        case (model, tuple() | list() as args, Mapping() as kwargs):
            return Loaded(model, tuple(args), kwargs)
        case (model, tuple() | list() as args):
            return Loaded(model, tuple(args))
        case (model, torch.Tensor() as single):
            return Loaded(model, (single,))
    if not isinstance(found, torch.nn.Module | torch.jit.ScriptFunction):
        raise InvalidArgument(
            f"{source}: {type(found).__name__} is no model",
            hint="A factory gives a module, (module, args) or (module, args, kwargs).",
        )
    return Loaded(found, ())


def _called(source: str, factory: Callable[..., Any]) -> Any:
    try:
        inspect.signature(factory).bind()
    except TypeError as error:
        raise InvalidArgument(
            f"{source} cannot be called without arguments: {error}", hint="A factory has no parameters."
        ) from error
    except ValueError:
        # Some callables written in C do not tell their parameters.
        pass
    return factory()


def _import(where: str) -> ModuleType:
    """Import a module by name or path; the current folder counts, as it does for ``python -m``."""
    try:
        if where.endswith(".py"):
            return _import_file(Path(where))
        if "" not in sys.path and str(Path.cwd()) not in sys.path:
            sys.path.insert(0, str(Path.cwd()))
        return importlib.import_module(where)
    except ModuleNotFoundError as error:
        if error.name is not None and (where == error.name or where.startswith(f"{error.name}.")):
            raise InvalidArgument(f"there is no module {where}") from error
        raise


def _import_file(path: Path) -> ModuleType:
    if not path.is_file():
        raise InvalidArgument(f"there is no file {path}")
    # Under a name of its own: the file may be called like a module that others import.
    name = f"onnxport_model_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise InvalidArgument(f"{path} is no Python file")
    module = importlib.util.module_from_spec(spec)
    # Registered before it runs, as import does; dataclasses and pickles look their module up.
    sys.modules[name] = module
    # What lies beside the file can be imported, as in `python file.py`.
    sys.path.insert(0, str(path.parent.resolve()))
    spec.loader.exec_module(module)
    return module


def _make_inputs(texts: list[str]) -> tuple[tuple[torch.Tensor, ...], dict[str, torch.Tensor]]:
    args: list[torch.Tensor] = []
    kwargs: dict[str, torch.Tensor] = {}
    for text in texts:
        match = _INPUT.fullmatch(text)
        dtype = _DTYPES.get((match["dtype"] or "float32") if match else "")
        if match is None or dtype is None:
            raise InvalidArgument(
                f"--input {text!r} is not understood",
                hint=f"Write [NAME=]SHAPE[:DTYPE], 1,3,224,224 or mask=2,16:bool; types: {', '.join(_DTYPES)}.",
            )
        shape = () if match["shape"] == "scalar" else tuple(int(size) for size in match["shape"].split(","))
        tensor = random_tensor(shape, dtype)
        if match["name"]:
            kwargs[match["name"]] = tensor
        else:
            args.append(tensor)
    return tuple(args), kwargs


def random_tensor(shape: tuple[int, ...], dtype: torch.dtype) -> torch.Tensor:
    """An example: normal numbers, small integers from 0 on, or truth values."""
    generator = torch.Generator().manual_seed(0)
    if dtype.is_floating_point:
        return torch.randn(shape, generator=generator).to(dtype)
    return torch.randint(0, 2, shape, generator=generator).to(dtype)
