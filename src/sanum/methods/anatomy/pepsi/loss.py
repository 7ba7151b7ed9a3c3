"""The objective of PEPSI: two images of each scan, and the pathology that can be found in them."""

import torch

from ...common.loss import brain_volume, l1, l1_of_gradient, overlap
from .model import PepsiPrediction

Tensor = torch.Tensor
CONTRASTS = ("T1w", "FLAIR")


def objective(
    prediction: PepsiPrediction, targets: Tensor, lesion: Tensor, brain: Tensor
) -> tuple[Tensor, dict[str, Tensor]]:
    """Mean over samples of the sum of the terms, all of weight 1, and the mean of each.

    For each contrast ∫ (|Î − T| + |∇Î − ∇T|) / volume; S(Î) against S(T), S the segmenter of the contrast;
    S(T) against the lesion, which trains S: both cross-entropy + 1 − soft Dice.

    Parameters
    ----------
    targets : (B, 2, X, Y, Z)
        T1w and FLAIR with the pathology, 0 outside of the brain.
    lesion, brain : (B, 1, X, Y, Z)
    prediction : PepsiPrediction
        With the logits of the true images.
    """
    assert prediction.of_targets is not None
    volume = brain_volume(brain)
    terms = {}
    for n, name in enumerate(CONTRASTS):
        image, target, found, known = (
            x[:, n : n + 1] for x in (prediction.images, targets, prediction.pathology, prediction.of_targets)
        )
        terms[name] = l1(image, target, brain)
        terms[f"{name} gradient"] = l1_of_gradient(image, target, brain)
        terms[f"{name} pathology"] = overlap(found, known.detach().sigmoid(), volume)
        terms[f"{name} segmenter"] = overlap(known, lesion, volume)
    means = {name: term.mean() for name, term in terms.items()}
    return torch.stack(list(means.values())).sum(), {name: m.detach() for name, m in means.items()}
