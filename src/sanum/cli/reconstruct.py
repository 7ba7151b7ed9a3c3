"""`sanum reconstruct`: the main job for one scan or many."""

import json
import resource
import sys
import time
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .messages import Steps, complain
from .threads import use_threads

if TYPE_CHECKING:
    from ..methods.registry import Predictor
    from ..reconstruction import Reconstruction

EXAMPLE = "Example:  sanum reconstruct sub-1_T1w.nii.gz sub-1_FLAIR.nii.gz -o out/"


class Space(StrEnum):
    """Grid of the outputs."""

    input = "input"
    one_mm = "1mm"


class Composition(StrEnum):
    """What the anatomy shows."""

    anatomy = "anatomy"
    keep_healthy = "keep-healthy"
    keep_lesion = "keep-lesion"


def command(
    scans: Annotated[
        list[Path], typer.Argument(metavar="SCAN...", help="NIfTI, MGH/MGZ, NRRD, MHA, or a DICOM folder.")
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for the results; made if missing.")],
    space: Annotated[
        Space, typer.Option(help="Grid of the results: the scan's own, or 1 mm isotropic.")
    ] = Space.input,
    compose: Annotated[
        Composition,
        typer.Option(
            help="The predicted anatomy; of a T1w also its own healthy tissue, only the anomaly replaced; "
            "or the predicted anatomy with the anomaly put back."
        ),
    ] = Composition.anatomy,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:n or mps.")] = "auto",
    threads: Annotated[int, typer.Option(help="CPU threads; 0: all.", min=0)] = 0,
    volume: Annotated[
        int | None, typer.Option(help="Which volume of a 4D image, counted from 0.", min=0)
    ] = None,
    weights: Annotated[
        Path | None, typer.Option(help="Weights of your own training instead of the shipped ones.")
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace results that exist.")] = False,
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="No progress, only results and errors.")
    ] = False,
) -> None:
    """Reconstruct the healthy anatomy behind SCAN..., with an anomaly map and an uncertainty map.

    Exit code: 0 all done, 1 some of several scans failed, 2 wrong use or a single scan that failed.
    """
    from ..scan.names import collisions

    if clash := collisions(scans):
        complain(
            f"{clash[0][0]} and {clash[0][1]} would give outputs of the same name; "
            "run them into different folders"
        )
        raise typer.Exit(2)
    try:
        predictor = _load(device, threads, weights)
    except (ValueError, OSError) as error:
        complain(str(error))
        raise typer.Exit(2) from None
    run = _Run(output, predictor)
    for number, path in enumerate(scans):
        label = path.name if len(scans) == 1 else f"[{number + 1}/{len(scans)}] {path.name}"
        how = {"space": space.value, "volume": volume, "compose": compose.value}
        run.one(path, label, how, overwrite=overwrite, quiet=quiet)
    run.write_summary(quiet)
    failed = [e for e in run.entries if e["error"]]
    if len(scans) > 1 and failed:
        complain(f"{len(failed)} of {len(scans)} scans failed: " + ", ".join(e["input"] for e in failed))
    if failed:
        raise typer.Exit(2 if len(scans) == 1 else 1)


def _load(device: str, threads: int, weights: Path | None) -> "Predictor":
    from ..methods import registry
    from ..reconstruction import resolve_device

    use_threads(threads)
    return registry.load(device=resolve_device(device), weights=weights)


class _Run:
    """One run of the command: its scans, and what `run.json` says of them."""

    def __init__(self, output: Path, predictor: "Predictor") -> None:
        self.output, self.predictor, self.began = output, predictor, time.monotonic()
        self.entries: list[dict[str, Any]] = []

    def one(self, path: Path, label: str, how: dict[str, Any], *, overwrite: bool, quiet: bool) -> None:
        """Reconstruct one scan; a failure is noted and told, and the next scan goes on."""
        from ..reconstruction import check_free, reconstruct
        from ..scan import ScanError
        from ..scan.names import stem_of

        began = time.monotonic()
        entry: dict[str, Any] = {"input": str(path), "outputs": [], "warnings": [], "error": None}
        try:
            check_free(stem_of(path), self.output, overwrite=overwrite)  # before minutes of work, not after
            with Steps(label, quiet=quiet) as tell:
                result = reconstruct(path, predictor=self.predictor, on_step=tell, **how)
                tell("write")
                entry["outputs"] = [p.name for p in result.save(self.output, overwrite=overwrite)]
            entry |= {"warnings": list(result.warnings), "contrast": result.contrast, **_volumes(result)}
            _print_result(self.output / entry["outputs"][-1], entry)
        except ScanError as error:
            entry["error"] = str(error)
        except (MemoryError, RuntimeError) as error:  # torch's lack of memory is a RuntimeError
            reason = str(error).splitlines()[0] if str(error) else "not enough memory"
            entry["error"] = (
                f"{path.name} could not be reconstructed: {reason}; close other programs or try --device cpu"
            )
        if entry["error"]:
            complain(entry["error"])
        entry["seconds"] = round(time.monotonic() - began, 1)
        for warning in entry["warnings"]:
            complain(f"{path.name}: {warning}")
        self.entries.append(entry)

    def write_summary(self, quiet: bool) -> None:
        """`run.json` beside the outputs (if any scan was written)."""
        from .. import __version__
        from ..scan import ScanError, atomic_path

        if all(e["error"] for e in self.entries):
            return
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (
            1 if sys.platform == "darwin" else 1 / 1024
        )
        summary = {
            "version": __version__,
            "weights": self.predictor.weights_name,
            "weights_sha256": self.predictor.weights_sha256,
            "device": self.predictor.device,
            "seconds": round(time.monotonic() - self.began, 1),
            "peak_memory_mb": round(peak / 2**20),
            "scans": self.entries,
        }
        try:
            with atomic_path(self.output / "run.json", overwrite=True) as temporary:
                temporary.write_text(json.dumps(summary, indent=2) + "\n", encoding="utf-8")
        except ScanError as error:
            complain(str(error))
            raise typer.Exit(2 if len(self.entries) == 1 else 1) from None


def _volumes(result: "Reconstruction") -> dict[str, float]:
    from ..report import key_numbers

    numbers = key_numbers(result.anomaly_mask, result.brain, result.uncertainty)
    return {"anomaly_ml": round(numbers.anomaly_ml, 2), "brain_ml": round(numbers.brain_ml, 1)}


def _print_result(report: Path, entry: dict[str, Any]) -> None:
    typer.echo(f"{report}\tanomaly {entry['anomaly_ml']:.1f} mL\tbrain {entry['brain_ml']:.0f} mL")
