"""The outputs of the main job, in one table: names, files, units and what BIDS wants to know of them.

To add an output, add its line here and an attribute of the same name to `Reconstruction`.
"""

from pathlib import Path

from ..methods.api import OutputSpec
from ..methods.common import saving
from ..methods.common.saving import record_name

__all__ = ["OUTPUTS", "check_free", "file_names", "record_name"]

_TABLE = (
    OutputSpec(
        name="anatomy",
        meaning="Predicted healthy anatomy, as T1w; not measured",
        desc="anatomy",
        suffix="T1w",
        unit="arbitrary (white matter is near 1)",
        sidecar={"SkullStripped": True},
    ),
    OutputSpec(
        name="anomaly",
        meaning="Probability of an anomaly",
        desc="anomaly",
        suffix="probseg",
        unit="arbitrary (0 to 1)",
    ),
    OutputSpec(
        name="anomaly_mask",
        meaning="Probability of an anomaly above 0.5",
        desc="anomaly",
        suffix="mask",
        sidecar={"Type": "Lesion"},
    ),
    OutputSpec(
        name="uncertainty",
        meaning="Expected absolute error of the healthy anatomy",
        desc="uncertainty",
        suffix="map",
        unit="arbitrary (white matter is 1)",
    ),
    OutputSpec(name="brain", meaning="Brain", desc="brain", suffix="mask", sidecar={"Type": "Brain"}),
    OutputSpec(
        name="report",
        meaning="One page to look at and to send",
        desc=None,
        suffix="report",
        extension=".html",
    ),
)

OUTPUTS: dict[str, OutputSpec] = {spec.name: spec for spec in _TABLE}
"""Every output of the main job by its name, in the order in which they are written and listed."""


def file_names(stem: str) -> dict[str, str]:
    """File name of each output by the output's name.

    Parameters
    ----------
    stem : str
        `Reconstruction.name`, which all files start with.
    """
    return saving.file_names(stem, OUTPUTS)


def check_free(stem: str, folder: Path, *, overwrite: bool) -> None:
    """Raise `ScanError` if outputs of a scan are in a folder already, or nothing can be written there.

    Parameters
    ----------
    stem : str
        `Reconstruction.name`, which all files start with.
    folder : Path
        Where the results should go; need not exist.
    overwrite : bool
        Files that are there may be replaced.
    """
    saving.require_free(stem, folder, OUTPUTS, overwrite=overwrite)
