"""Other ways to a score, of the same state: measured to be looked at, for nothing is chosen by them."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Literal

import numpy as np
import torch

from ...methods.common.detector import Detector
from ...methods.common.findings import Finding
from ...methods.common.pooling import PoolingConfig, pooled
from ...metrics.ranking import Labels, auc
from ...scan.read_picture import PictureAt

KINDS: tuple[Literal["mean", "max", "top", "quantile"], ...] = ("mean", "max", "top", "quantile")
"""Of `PoolingConfig`: what can be made of any map."""


class OtherScores:
    """Scores of images that are gone through once, by setting.

    Parameters
    ----------
    pooling : PoolingConfig
        Of the detector; its own kind is left out.
    """

    def __init__(self, pooling: PoolingConfig) -> None:
        self.poolings = {
            f"pooling.kind={kind}": replace(pooling, kind=kind) for kind in KINDS if kind != pooling.kind
        }
        self.scores: dict[str, list[float]] = defaultdict(list)

    def add(self, found: Finding) -> None:
        """Take note of an image.

        Parameters
        ----------
        found : Finding
            What the detector says of it.
        """
        maps, valid = torch.from_numpy(found.map)[None], torch.from_numpy(found.square.valid)[None]
        for setting, pooling in self.poolings.items():
            self.scores[setting].append(float(pooled(maps, valid, pooling)))


def areas_of_others(
    detector: Detector,
    validation: tuple[Sequence[PictureAt], Labels],
    test: tuple[Sequence[PictureAt], Labels],
    seen: tuple[OtherScores, OtherScores],
) -> list[dict[str, Any]]:
    """AUC of other scores on validation and on the test set, as plain values, by setting.

    Parameters
    ----------
    detector : Detector
        Fitted; scores of its config's `other_scores` take another pass.
    validation, test : (sequence of PictureAt, (n,) int)
        Images and labels.
    seen : (OtherScores, OtherScores)
        What was noted of validation and test.
    """
    rows = [
        {
            "score": setting,
            **{
                name: auc(np.array(one.scores[setting]), labels)
                for name, one, (_, labels) in zip(
                    ("validation", "test"), seen, (validation, test), strict=True
                )
            },
        }
        for setting in seen[0].poolings
    ]
    for setting in detector.config.other_scores:
        other = detector.rescored(setting)
        areas = {
            name: auc(other.score(images), labels)
            for name, (images, labels) in (("validation", validation), ("test", test))
        }
        rows.append({"score": setting, **areas})
    return rows
