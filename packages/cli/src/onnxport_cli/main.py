"""The ``onnxport`` command.

Exit codes: 0 if all went well, 1 if the model cannot be exported or is wrong, 2 if the command line is.
"""

from __future__ import annotations

import sys
from typing import Annotated

import typer
from onnxport.errors import InvalidArgument, OnnxExporterError

from onnxport_cli import check, export, inspecting, operators
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
app.command("inspect")(inspecting.inspect)
app.command("ops")(operators.ops)


@app.callback(invoke_without_command=True)
def options(
    context: typer.Context,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
    version: Annotated[bool, typer.Option("--version", help="Show the version and leave.")] = False,
) -> None:
    """Export PyTorch models to ONNX, and look at the result."""
    if version:
        from importlib.metadata import version as version_of  # noqa: PLC0415 - wanted here alone

        typer.echo(f"onnxport {version_of('onnxport')}")
        raise typer.Exit
    context.obj = Output(debug=debug)


def main() -> None:
    """Run the command; errors of ours become one message and an exit code."""
    try:
        app()
    except OnnxExporterError as error:
        if "--debug" in sys.argv:
            raise
        Output().errors.print(f"error: {error}", markup=False, highlight=False, soft_wrap=True)
        raise SystemExit(2 if isinstance(error, InvalidArgument) else 1) from None
    except Exception as error:  # the user's own code, called by a factory or a forward
        if "--debug" in sys.argv:
            raise
        Output().errors.print(
            f"error: {type(error).__name__}: {error}\n  Run it again with --debug for the traceback.",
            markup=False,
            highlight=False,
            soft_wrap=True,
        )
        raise SystemExit(1) from None
