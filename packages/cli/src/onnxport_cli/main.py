"""The ``onnxport`` command.

Exit codes: 0 if all went well, 1 if the model cannot be exported or is wrong, 2 if the command line is.
"""

from __future__ import annotations

import importlib.metadata
import sys
from typing import Annotated, NoReturn

import typer
from onnxport.errors import InvalidArgument, OnnxExporterError

from onnxport_cli import check, diff, doctor, export, inspecting, operators, verifying
from onnxport_cli.output import Output

app = typer.Typer(
    name="onnxport",
    help="Export PyTorch models to ONNX, and look at the result.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("export")(export.export)
app.command("check")(check.check)
app.command("verify")(verifying.verify)
app.command("bisect")(verifying.bisect)
app.command("diff")(diff.diff)
app.command("inspect")(inspecting.inspect)
app.command("ops")(operators.ops)
app.command("doctor")(doctor.doctor)


@app.callback(invoke_without_command=True)
def options(
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
    version: Annotated[bool, typer.Option("--version", help="Show the versions and leave.")] = False,
) -> None:
    """Export PyTorch models to ONNX, and look at the result."""
    # `debug` is read in main(), which takes it at any place of the command line.
    if version:
        typer.echo(", ".join(f"{name} {_version(name)}" for name in ("onnxport-cli", "onnxport")))
        raise typer.Exit


def main() -> None:
    """Run the command; errors become one message and an exit code."""
    arguments = [argument for argument in sys.argv[1:] if argument != "--debug"]
    debug = len(arguments) < len(sys.argv) - 1
    try:
        app(arguments, prog_name="onnxport")
    except OnnxExporterError as error:
        if debug:
            raise
        _fail(f"error: {error}", 2 if isinstance(error, InvalidArgument) else 1)
    except Exception as error:  # the user's own code, called by a factory or a forward
        if debug:
            raise
        _fail(f"error: {type(error).__name__}: {error}\n  Run it again with --debug for the traceback.", 1)


def _fail(message: str, code: int) -> NoReturn:
    Output().errors.print(message, markup=False, highlight=False, soft_wrap=True)
    raise SystemExit(code) from None


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "(not installed)"
