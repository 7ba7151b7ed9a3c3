"""Composition of the training samples: shares that are real, diseased, moved by the fluid."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from .anatomy import Anatomy
from .contrast import PRESETS, RARER, Preset, draw_contrast
from .corrupt import Level, draw_corruption
from .generator import draw_sample
from .params import Draws, SampleParams, ViewParams

THICK_MM = (2.0, 7.0)
THICK_AXES = (0.2, 0.2, 0.6)  # sagittal, coronal and axial slices: most are axial


@dataclass(frozen=True)
class SamplingConfig:
    """What training samples are made of: shares between 0 and 1, and switches.

    Parameters
    ----------
    real : float
        Share of real T1w, which keep their own image but for the acquisition; the others are synthetic.
    patients : float
        Share of patients with their own lesions among the real scans; the others are healthy T1w with lesions
        of the fluid.
    leave_out : tuple of str
        Patients who are not trained on, as sub-ms1: those that will be tested.
    healthy : float
        Share without an anomaly.
    fluid : bool
        Anomalies are moved by the fluid; without, masks and noise stay as they start.
    bank : bool
        Half of the anomalies start from real lesion masks; without, all from noise.
    mirror : bool
        The second channel is the mirror image; if false, the scan again.
    presets : tuple of str
        Modalities of the synthetic ones, as often as `contrast.PRESETS` says; empty: all.
    level : str, optional
        Corruption of all samples; default mild, medium or severe, drawn.
    views : tuple of str
        Levels of corruption of further scans of the same head, one for each.
    draws : Draws
        As of `draw_sample`.
    told : float
        Share of samples whose contrast the network is told; it is not told what is drawn freely.
    sick : bool
        Each sample also has the T1w and the FLAIR with the anomaly.
    white_matter_ageing : bool
        The draws of the world have bright caps around the ventricles, more in old heads: normal, and at the
        border to what is not. Without, there are none.
    thick : float
        Share of samples with slices of `THICK_MM`, beside those that the level of corruption draws.
    """

    real: float = 0.5
    patients: float = 0.0
    leave_out: tuple[str, ...] = ()
    healthy: float = 0.15
    fluid: bool = True
    bank: bool = True
    mirror: bool = True
    presets: tuple[Preset, ...] = ()
    level: Level | None = None
    views: tuple[Level, ...] = ()
    sick: bool = False
    draws: Draws = "usual"
    told: float = 0.7
    white_matter_ageing: bool = True
    thick: float = 0.0

    def __post_init__(self) -> None:
        for name in ("real", "patients", "healthy", "told", "thick"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"sampling.{name} is a share between 0 and 1, got {getattr(self, name)}")

    def draw(
        self, rng: np.random.Generator, anatomy: Anatomy, bank: Sequence[Path], *, spacing_mm: float
    ) -> SampleParams:
        """Parameters of one sample.

        Parameters
        ----------
        rng : Generator
            Source of randomness.
        anatomy : Anatomy
            That the sample is made of.
        bank : sequence of Path
            Lesion masks in MNI space; may be empty.
        spacing_mm : float
            Voxels of the finest acquisition, in mm.
        """
        params = draw_sample(
            rng,
            anatomy,
            bank if self.bank else (),
            preset=self._preset(rng),
            level=self.level,
            healthy=self.healthy,
            draws=self.draws,
            spacing_mm=spacing_mm,
        )
        if not self.white_matter_ageing:
            ageing = replace(params.world.ageing, caps=0.0)
            params = replace(params, world=replace(params.world, ageing=ageing))
        if self.thick and rng.random() < self.thick:
            voxel = [spacing_mm] * 3
            voxel[int(rng.choice(3, p=THICK_AXES))] = float(rng.uniform(*THICK_MM))
            x, y, z = voxel
            params = replace(params, corruption=replace(params.corruption, voxel_mm=(x, y, z)))
        if not self.fluid:
            params = replace(params, shapes=tuple(replace(s, duration=0.0) for s in params.shapes))
        return params

    def draw_views(
        self, rng: np.random.Generator, anatomy: Anatomy, *, spacing_mm: float
    ) -> tuple[ViewParams, ...]:
        """Parameters of the other scans of one head, each of its own modality.

        Parameters
        ----------
        rng : Generator
            Source of randomness.
        anatomy : Anatomy
            That the sample is made of.
        spacing_mm : float
            Voxels of the finest acquisition, in mm.
        """
        world = self.draws == "world"
        return tuple(
            ViewParams(
                draw_contrast(rng, self._preset(rng), anatomy.tissue_means, world=world),
                draw_corruption(rng, level, spacing_mm),
            )
            for level in self.views
        )

    def _preset(self, rng: np.random.Generator) -> Preset:
        if rng.random() < self.real:
            return "t1w"
        known = PRESETS | RARER if self.draws == "world" else PRESETS
        names = [p for p in self.presets or known if p != "t1w"]
        shares = np.array([known[p] for p in names])
        return names[int(rng.choice(len(names), p=shares / shares.sum()))] if names else "t1w"
