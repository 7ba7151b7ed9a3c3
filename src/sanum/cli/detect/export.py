"""`sanum detect export`: a detector for programs that have no PyTorch."""

from pathlib import Path
from typing import Annotated

import typer

from .. import options as shared
from ..messages import complain, harmless
from ..progress import waiting
from . import common

EXAMPLE = "Example:  sanum detect export model.safetensors -o model.onnx"


def command(
    model: Annotated[Path, typer.Argument(help="File that sanum detect fit wrote.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="File of the graph, .onnx.")],
    threshold: Annotated[float | None, typer.Option(help="Another threshold than the model's.")] = None,
    settings: common.Rescoring = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a graph that is there.")] = False,
    quiet: shared.Quiet = False,
) -> None:
    """Write MODEL as an ONNX graph, checked against PyTorch, and a JSON file beside it.

    The graph takes squares of pixels and gives maps and raw scores; --set
    chooses which, as in sanum detect score. How pictures become squares, and
    the threshold, are in the JSON file; with --set for other scores, the
    model's threshold is left out. A graph that ONNX Runtime computes
    otherwise than PyTorch is not written.

    Exit code: 0, or 2 if it cannot be done.
    """
    try:
        if output.suffix != ".onnx":
            raise ValueError(f"the graph is a file that ends in .onnx, got {output.name}")
        with waiting("exporting", quiet=quiet):
            from ...methods.common.detector_graph import PICTURES, description_of

            for path in (output, description_of(output)):
                if path.exists() and not overwrite:
                    raise FileExistsError(f"{path} exists: pass --overwrite to replace it")
            detector = common.detector_in(model, "cpu", threshold=threshold, settings=settings)
            made = detector.export(output)
    except (ValueError, OSError, ModuleNotFoundError) as error:
        complain(str(error))
        raise typer.Exit(2) from None
    told = ", ".join(f"{name} {value:.2g}" for name, value in made.differences.items())
    complain(f"largest difference from PyTorch on {PICTURES} pictures, in parts of the largest value: {told}")
    for path in (made.graph, made.description):
        typer.echo(harmless(str(path)))
