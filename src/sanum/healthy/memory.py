"""What the main job needs of the machine's memory: an estimate from a scan's header, before it is read.

    need = BASE (+ SECOND) + network + voxels × (their bytes + 9) + voxels of the brain's box × 27

Measured (peak of the process, shipped network): 0.9 GB of a head of 10 million voxels at 1 mm, 4.8 GB of one
of 300 million at 0.5 mm, 1.7 and 3.5 GB of a brain that fills 33 and 95 million voxels; the formula gives
1.3, 6.5, 2.3 and 4.8, so that it may be a third too high. With a second stage (trial weights): 2.4 GB of a
head of 18 million voxels at 1 mm, 3.2 by the formula; of its first stage alone 1.0 and 1.4.
Weights with a rule of two witnesses (`rule.py`) take 0.1 GB more of a head of 17 million voxels at 1 mm.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from ..methods.common.anatomy import Predictor, Refiner
from ..methods.common.memory_plan import MemoryPlan
from ..scan.declared_size import declared_size

BASE = 750_000_000  # the process with its libraries and weights (550 MB), and work in the model's box
NETWORK = 240_000_000  # of the shipped weights, as `methods.common.memory_plan` estimates it
SECOND = 200_000_000  # work in the box of the second stage, beside its network
A_VOXEL, A_BRAIN_VOXEL = 9, 27
LARGEST_BRAIN_MM3 = 190 * 220 * 180  # the box around it, with a margin
AT_ONCE = 2  # scans that are computed on a CPU: 1.6 times as fast as one, on two cores; three are no faster


def need_of(path: Path) -> int:
    """Estimated bytes of a scan, from its header, without BASE and the network.

    Parameters
    ----------
    path : Path
        A scan file, or a DICOM folder.
    """
    declared = declared_size(path)
    in_box = declared.voxels
    if declared.voxel_mm3:
        in_box = min(in_box, int(LARGEST_BRAIN_MM3 / declared.voxel_mm3))
    return declared.voxels * (declared.voxel_bytes + A_VOXEL) + in_box * A_BRAIN_VOXEL


@dataclass(frozen=True, eq=False)
class PredictorResources:
    """What a predictor takes of the machine, for a batch (`cohort.job.Resources`).

    Parameters
    ----------
    predictor : Predictor
        A loaded method.
    second : Refiner, optional
        Its second stage, which runs after it.
    """

    predictor: Predictor
    second: Refiner | None = None

    @property
    def at_once(self) -> int:
        """Two scans on a CPU, where parts of the work take one thread alone; one elsewhere."""
        return min(torch.get_num_threads(), AT_ONCE) if self.is_shared else 1

    @property
    def is_shared(self) -> bool:
        """Whether it is on a CPU, where threads may share it."""
        return self.predictor.device == "cpu"

    @property
    def base_bytes(self) -> int:
        """The process with its libraries and weights, and the box of a second stage."""
        return BASE if self.second is None else BASE + SECOND

    def model_bytes(self, at_once: int) -> int:
        """Memory of the CPU that the network takes, of two stages the larger one.

        Parameters
        ----------
        at_once : int
            Scans that are computed at the same time.
        """
        needs = [0]
        for plan in self._plans:
            there, beside = plan.need(plan.placement)
            needs.append(beside + (there if plan.placement.device == "cpu" else 0))
        return at_once * max(needs)

    def item_bytes(self, path: Path) -> int:
        """As `need_of`.

        Parameters
        ----------
        path : Path
            Of the scan.
        """
        return need_of(path)

    def fit(self, room: int | None) -> None:
        """Put the network into slabs, or on the CPU, until it fits.

        Parameters
        ----------
        room : int or None
            Bytes that it may take; None: what is free.
        """
        for plan in self._plans:
            plan.fit(room)

    @property
    def steps(self) -> tuple[str, ...]:
        """What was done so far so that it fits."""
        return tuple(step for plan in self._plans for step in plan.taken)

    @property
    def description(self) -> Mapping[str, Any]:
        """Weights, device, and how the network runs."""
        plan = self.predictor.memory_plan
        return {
            "weights": self.predictor.weights_name,
            "weights_sha256": self.predictor.weights_sha256,
            "device": self.predictor.device,
            "network": None if plan is None else str(plan.placement),
            **(
                {}
                if self.second is None
                else {
                    "second_weights": self.second.weights_name,
                    "second_weights_sha256": self.second.weights_sha256,
                }
            ),
        }

    @property
    def _plans(self) -> list[MemoryPlan]:
        models = (self.predictor, self.second)
        return [m.memory_plan for m in models if m is not None and m.memory_plan is not None]
