"""A detector as an ONNX graph for other programs: written only if ONNX Runtime gives what PyTorch gives.

The graph is pixels in, map and score out. Reading, resizing and scaling, and the threshold, are not in it:
they stand in a JSON file beside it.
"""

import json
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn

from ... import __version__
from ...extras import needs_extra
from ...files import sha256, whole_file
from ...learn.overrides import flat
from ...learn.threads import one_thread
from ...types import FloatArray

if TYPE_CHECKING:
    from .detector import Detector

INPUTS = {
    "image": "pixels of the square, float32 (batch, channels, size, size), as config says; 0 outside",
    "valid": "bool (batch, size, size): where the square shows the picture",
}
OUTPUTS = {
    "map": "anomaly map of the square, float32 (batch, size, size); 0 where it is not valid",
    "score": "float32 (batch,): the higher, the more abnormal; abnormal if score >= threshold.value",
}
LIMIT = 1e-4
"""Largest difference from PyTorch that is accepted, in parts of the largest value of PyTorch's."""

PICTURES = 7
"""That a graph is tried on, in batches of one and of the rest."""


class WrongGraph(ValueError):
    """There is no graph of a detector, or it does not give what PyTorch gives: nothing was written."""


@dataclass(frozen=True)
class ExportedGraph:
    """What was written.

    Parameters
    ----------
    graph, description : Path
        The ONNX file, and the JSON file beside it.
    differences : dict of str to float
        Largest difference of each output from PyTorch, in parts of the largest value.
    """

    graph: Path
    description: Path
    differences: dict[str, float]


def description_of(path: Path) -> Path:
    """Where the JSON file of a graph is.

    Parameters
    ----------
    path : Path
        Of the graph.
    """
    return path.with_suffix(".json")


def export_graph(detector: "Detector", path: Path) -> ExportedGraph:
    """Write a detector as an ONNX graph, with what it needs beside it.

    Parameters
    ----------
    detector : Detector
        Fitted, on the CPU.
    path : Path
        Of the graph; both files are made whole or not at all.

    Raises
    ------
    MissingExtra
        onnx, onnxscript or onnxruntime is not installed.
    WrongGraph
        It cannot be said in ONNX; ONNX Runtime gives other numbers than PyTorch.
    """
    if detector.not_exported:
        raise WrongGraph(detector.not_exported)
    with needs_extra("sanum detect export", "export"):
        import onnx  # noqa: F401 so that it is missed before minutes of work
        import onnxruntime
        import onnxscript  # noqa: F401
    with whole_file(path) as partial:
        opset = _write(detector, partial)
        try:
            session = onnxruntime.InferenceSession(partial, providers=["CPUExecutionProvider"])
            differences = _differences(detector, session)
        except Exception as error:  # ONNX Runtime's errors have no class of their own
            reason = " ".join(str(error).split())
            raise WrongGraph(
                f"ONNX Runtime cannot compute the graph of {detector.method}: {reason}"
            ) from error
        if wrong := [name for name, one in differences.items() if not one <= LIMIT]:
            raise WrongGraph(
                f"the graph gives another {wrong[0]} than PyTorch, by {differences[wrong[0]]:.3g} of the "
                "largest value: nothing was written; tell us which versions of torch, onnxscript and "
                "onnxruntime these are"
            )
    beside = description_of(path)
    text = json.dumps(_described(detector, path, opset, differences, onnxruntime.__version__), indent=1)
    with whole_file(beside) as partial:
        partial.write_text(text + "\n", encoding="utf-8")
    return ExportedGraph(path, beside, differences)


class _Graph(nn.Module):
    """What is exported: maps and scores of squares, as the detector gives them."""

    def __init__(self, detector: "Detector") -> None:
        super().__init__()
        net = getattr(detector, "net", None)
        self.net = net if isinstance(net, nn.Module) else nn.Identity()  # its weights keep their names
        self.detector = detector

    def forward(self, image: torch.Tensor, valid: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        maps, scores = self.detector.answer(image, valid)
        return maps.float(), scores.float()


def _write(detector: "Detector", path: Path) -> int:
    """Write the graph; returns its version of ONNX's operators."""
    image, valid = _pictures(detector, 3)
    batch = {0: torch.export.Dim("batch")}
    with _quiet_exporter(), torch.no_grad():
        try:
            program: Any = torch.onnx.export(
                _Graph(detector).eval(),
                (image, valid),
                input_names=list(INPUTS),
                output_names=list(OUTPUTS),
                dynamic_shapes={name: batch for name in INPUTS},
                dynamo=True,
                verbose=False,
            )
        except torch.onnx.OnnxExporterError as error:
            reason = str(error).strip().splitlines()[-1]
            raise WrongGraph(f"{detector.method} cannot be written as a graph: {reason}") from error
        program.model.metadata_props["sanum"] = json.dumps(
            {"method": detector.method, "version": __version__, "weights_sha256": detector.weights_sha256}
        )
        program.save(path, external_data=False)
    return int(program.model.opset_imports[""])


@contextmanager
def _quiet_exporter() -> Iterator[None]:
    """Warnings of PyTorch's exporter about itself are not about the model."""
    logger = logging.getLogger("torch.onnx")
    before = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(before)


def _pictures(detector: "Detector", count: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Squares to try a graph on: soft, rough and empty ones, with borders and holes in what is valid."""
    size, rng = detector.config.picture.size, np.random.default_rng(0)
    shape = (count, detector.channels or 1, size, size)
    ramp = np.linspace(0, 1, size, dtype=np.float32)
    soft = ramp[:, None] * ramp * np.linspace(0, 1, count, dtype=np.float32)[:, None, None, None]
    pixels: FloatArray = (0.5 * soft + 0.5 * rng.random(shape, dtype=np.float32)).astype(np.float32)
    valid = np.ones((count, size, size), bool)
    valid[1::3, : size // 4] = False
    valid[2::3] = rng.random((len(valid[2::3]), size, size)) < 0.7
    pixels = np.where(valid[:, None], pixels, np.float32(0))
    pixels[3::4] = 0
    if detector.config.picture.scale == "none":
        pixels = pixels * np.float32(255)
    return torch.from_numpy(pixels), torch.from_numpy(valid)


def _differences(detector: "Detector", session: Any) -> dict[str, float]:
    """Largest difference of each output, in parts of its largest value; infinite where it is no number."""
    image, valid = _pictures(detector, PICTURES)
    found = {name: 0.0 for name in OUTPUTS}
    for part in (slice(0, 1), slice(1, PICTURES)):
        with one_thread(), torch.inference_mode():
            expected = _Graph(detector)(image[part], valid[part])
        got = session.run(list(OUTPUTS), {"image": image[part].numpy(), "valid": valid[part].numpy()})
        for name, want, have in zip(OUTPUTS, expected, got, strict=True):
            there = want.double().numpy()
            if have.shape != there.shape or not np.isfinite(have).all() or not np.isfinite(there).all():
                found[name] = np.inf
                continue
            largest = max(float(np.abs(there).max()), 1e-30)
            found[name] = max(found[name], float(np.abs(have - there).max()) / largest)
    return found


def _described(
    detector: "Detector", path: Path, opset: int, differences: dict[str, float], runtime: str
) -> dict[str, Any]:
    threshold, config = detector.threshold, detector.config
    return {
        "sanum": __version__,
        "method": detector.method,
        "weights_sha256": detector.weights_sha256,
        "graph": path.name,
        "graph_sha256": sha256(path),
        "opset": opset,
        "channels": detector.channels,
        "size": config.picture.size,
        "inputs": INPUTS,
        "outputs": OUTPUTS,
        "threshold": None if threshold is None else threshold.as_json(),
        "facts": dict(detector.choices[detector.choice].facts),
        "config": flat(config),
        "check": {
            "pictures": PICTURES,
            "difference": differences,
            "torch": torch.__version__,
            "onnxruntime": runtime,
        },
    }
