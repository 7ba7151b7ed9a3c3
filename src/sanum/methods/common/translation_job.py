"""Translating a file as a batch sees it (`cohort.job.Job`): the image, how unsure it is, and a page."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from ... import __version__
from ...report.translation import translation_page
from ...scan import Scan
from ...scan import read as read_scan
from ..api import Output, OutputSpec, Result
from .file_job import HasFile
from .plain_result import PlainResult
from .saving import sidecar_of
from .translator import Translator

TABLES: Mapping[str, Mapping[str, int | None]] = {
    "translations.tsv": {"mean_uncertainty": 3, "warnings": None},
}


@dataclass(frozen=True, eq=False)
class TranslateJob:
    """A fitted translator on every scan.

    Parameters
    ----------
    translator : Translator
        Fitted.
    resources : object
        As of `cohort.job.Job`.
    contrast : str, optional
        What the scans are, in place of what their files say.
    samples : int, optional
        As of `Translator.translate`.
    seed : int
        Of the first sample.
    """

    translator: Translator
    resources: Any
    contrast: str | None = None
    samples: int | None = None
    seed: int = 1
    name: ClassVar[str] = "translate"
    past: ClassVar[str] = "translated"
    tables: ClassVar[Mapping[str, Mapping[str, int | None]]] = TABLES

    @property
    def outputs(self) -> Mapping[str, OutputSpec]:
        """Image, what is said of it, uncertainty and page; the image is called by the target's contrast."""
        source, target = self.translator.contrasts
        unit = "HU" if target == "CT" else ""
        return {
            "image": OutputSpec(
                "image",
                f"{target} that a network made of the {source}.",
                "translated",
                target,
                unit=unit,
                sidecar={"Synthetic": True},
            ),
            "uncertainty": OutputSpec(
                "uncertainty",
                "Standard deviation over several translations of the scan.",
                "translated",
                "uncertainty",
                unit=unit,
            ),
            "about": OutputSpec(
                "about", "That the image is synthetic, and of what.", "translated", target, ".json"
            ),
            "page": OutputSpec("page", "Scan, translation and uncertainty.", "translated", "report", ".html"),
        }

    @property
    def settings(self) -> Mapping[str, Any]:
        """Version, model, and what is asked."""
        return {
            "version": __version__,
            "method": self.translator.method,
            "weights_sha256": self.translator.weights_sha256,
            "contrast_given": self.contrast,
            "samples": self.samples or self.translator.config.samples,
            "seed": self.seed,
        }

    def read(self, item: HasFile) -> tuple[str, Scan]:
        """Stem and scan; ScanError if it is of another contrast than the model's.

        Parameters
        ----------
        item : HasFile
            Of the batch.
        """
        scan = read_scan(item.path, contrast=self.contrast)
        self.translator.check(scan)
        return item.stem, scan

    def compute(self, loaded: tuple[str, Scan], on_step: Callable[[str], None]) -> Result:
        """Translate.

        Parameters
        ----------
        loaded : tuple
            From `read`.
        on_step : function
            Called with the name of each step.
        """
        stem, scan = loaded
        made = self.translator.translate(scan, samples=self.samples, seed=self.seed, on_step=on_step)
        on_step("drawing")
        warnings = (*scan.warnings, *made.warnings)
        seen = scan.voxels > scan.voxels.mean()
        unsure = float(made.uncertainty.voxels[seen].mean()) if seen.any() else 0.0
        source, target = self.translator.contrasts
        config = self.translator.config
        facts = {
            "From, to": f"{source}, {target}",
            "Method": f"{self.translator.method} ({config.name})",
            "Network sees": f"{'volumes' if config.dims == 3 else config.plane + ' slices'}, patches of "
            f"{' × '.join(map(str, config.patch))}",
            "Model": self.translator.weights_name or "not saved",
            "Learned from": f"{self.translator.about['scans']} scans",
            "Steps of the training": f"{config.loop.steps}",
            "Uncertainty is over": made.spread_of,
            "Mean uncertainty where the scan is bright": f"{unsure:.3g}",
            "Values": f"{np.min(made.image.voxels):.4g} to {np.max(made.image.voxels):.4g}"
            + (" HU" if target == "CT" else ", as in the training targets"),
            "sanum version": __version__,
        }
        page = translation_page(stem, (scan, made.image, made.uncertainty), made.spread_of, facts, warnings)
        contents: dict[str, Any] = {"image": made.image, "uncertainty": made.uncertainty, "page": page}
        contents["about"] = sidecar_of(self.outputs["image"])
        outputs = {name: Output(spec, contents[name]) for name, spec in self.outputs.items()}
        return PlainResult(stem, outputs, {"mean_uncertainty": unsure}, warnings)

    def facts(self, result: Result) -> Mapping[str, Any]:
        """Name of the model's file, contrasts and device.

        Parameters
        ----------
        result : Result
            From `compute`.
        """
        source, target = self.translator.contrasts
        return {
            "weights": self.translator.weights_name,
            "source_contrast": source,
            "target_contrast": target,
            "device": self.translator.device,
        }
