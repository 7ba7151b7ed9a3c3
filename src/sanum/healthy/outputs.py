"""The outputs of the main job, in one table: names, files, units and what BIDS wants to know of them.

To add an output, add its line here and an attribute of the same name to `Reconstruction`.
"""

from pathlib import Path
from typing import Literal, get_args

from ..methods.api import OutputSpec
from ..methods.common import saving
from ..methods.common.saving import record_name

__all__ = ["MAPS", "OUTPUTS", "WITNESSES", "Wanted", "check_free", "file_names", "left_out", "record_name"]

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
        name="lesions",
        meaning="Parts of that mask, one row each, the largest first",
        desc=None,
        suffix="lesions",
        extension=".tsv",
    ),
    OutputSpec(
        name="lesion_columns",
        meaning="What the columns of that table are",
        desc=None,
        suffix="lesions",
        extension=".json",
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
        name="network",
        meaning="Probability of an anomaly that the network gives, alone",
        desc="network",
        suffix="probseg",
        unit="arbitrary (0 to 1)",
    ),
    OutputSpec(
        name="residual",
        meaning="How much brighter the scan is than its healthy anatomy would be",
        desc="residual",
        suffix="map",
        unit="arbitrary (robust standard deviations)",
    ),
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


WITNESSES = ("network", "residual")
"""The two witnesses of an anomaly: written on request."""

Wanted = Literal["usual", "all"]
MAPS: tuple[str, ...] = get_args(Wanted)


def left_out(*, maps: Wanted, report: bool) -> tuple[str, ...]:
    """Names of the outputs that are not written.

    Parameters
    ----------
    maps : "usual" or "all"
        All: `WITNESSES` too.
    report : bool
        Whether the report is wanted.

    Raises
    ------
    ValueError
        `maps` is neither.
    """
    if maps not in MAPS:
        raise ValueError(f'maps is "usual" or "all", not "{maps}"')
    return (*(() if maps == "all" else WITNESSES), *(() if report else ("report",)))


def file_names(stem: str, *, maps: Wanted = "usual") -> dict[str, str]:
    """File name of each output that is written, by the output's name.

    Parameters
    ----------
    stem : str
        `Reconstruction.name`, which all files start with.
    maps : "usual" or "all"
        As in `left_out`.
    """
    without = left_out(maps=maps, report=True)
    return saving.file_names(stem, {name: spec for name, spec in OUTPUTS.items() if name not in without})


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
