"""The objective: boxes and presence of regions, findings in them, or in the image through a soft maximum.

    L = 5 · L1 + 2 · (1 − GIoU) + wBCE(present) + w_f · ASL

Boxes are (cx, cy, w, h) in shares of the picture's side. What nobody says of an image is −1 in the targets,
and counts nowhere.
"""

import torch
import torch.nn.functional as F

GAMMA_NEGATIVE, GAMMA_POSITIVE, CLIP = 4.0, 1.0, 0.05
"""Of the asymmetric loss, as its authors set them for many labels."""

TINY = 1e-6


def corners_of(boxes: torch.Tensor) -> torch.Tensor:
    """(x0, y0, x1, y1) of (cx, cy, w, h).

    Parameters
    ----------
    boxes : (…, 4) tensor
        Any unit.
    """
    middle, half = boxes[..., :2], boxes[..., 2:] / 2
    return torch.cat([middle - half, middle + half], -1)


def giou(one: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
    """Generalized IoU of pairs (Rezatofighi et al., CVPR 2019): IoU − (hull − union) / hull, in (−1, 1].

    Parameters
    ----------
    one, other : (…, 4) tensor
        cx, cy, w, h; of some size.
    """
    a, b = corners_of(one), corners_of(other)
    shared = (torch.minimum(a[..., 2:], b[..., 2:]) - torch.maximum(a[..., :2], b[..., :2])).clamp(min=0)
    hull = (torch.maximum(a[..., 2:], b[..., 2:]) - torch.minimum(a[..., :2], b[..., :2])).prod(-1)
    inside = shared.prod(-1)
    union = one[..., 2:].prod(-1) + other[..., 2:].prod(-1) - inside
    found: torch.Tensor = inside / (union + TINY**2) - (hull - union) / (hull + TINY**2)
    return found


def box_terms(boxes: torch.Tensor, target: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """L1 (sum of the four coordinates) and 1 − GIoU, each a mean over boxes; 0 of none.

    Parameters
    ----------
    boxes, target : (n, 4) tensor
        cx, cy, w, h.
    """
    count = max(len(boxes), 1)
    return (boxes - target).abs().sum() / count, (1 - giou(boxes, target)).sum() / count


def presence(logits: torch.Tensor, present: torch.Tensor) -> torch.Tensor:
    """Cross-entropy of "the region is there", in which both answers weigh the same; mean over the known.

    Positives weigh (N + 1) / (N₊ + 1), negatives (N + 1) / (N₋ + 1), counted over the batch.

    Parameters
    ----------
    logits : (B, A) tensor
        Of each region.
    present : (B, A) int tensor
        1, 0, or −1 where nobody says.
    """
    known = present >= 0
    y, x = present[known].to(logits.dtype), logits[known]
    if not len(x):
        return 0 * logits.sum()
    n, positive = len(y), y.sum()
    weights = torch.where(y > 0, (n + 1) / (positive + 1), (n + 1) / (n - positive + 1))
    return F.binary_cross_entropy_with_logits(x, y, weight=weights)


def asymmetric(p: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """Asymmetric loss (Ridnik et al., ICCV 2021), summed over the labels that are known.

    −y (1 − p)^γ₊ log p − (1 − y) q^γ₋ log(1 − q), with q = max(p − clip, 0): easy negatives count nothing.

    Parameters
    ----------
    p : tensor
        Probabilities.
    target : int tensor
        1, 0, or −1 where nobody says; of the same shape.
    """
    q = (p - CLIP).clamp(min=0)
    positive = (1 - p) ** GAMMA_POSITIVE * p.clamp(min=TINY).log()
    negative = q**GAMMA_NEGATIVE * (1 - q).clamp(min=TINY).log()
    return -torch.where(target == 1, positive, negative)[target >= 0].sum()


def pooled(p: torch.Tensor, there: torch.Tensor, r: float, *, over_all: bool) -> torch.Tensor:
    """Soft maximum over the regions that are there: (1/r) log mean exp(r p), cut to (0, 1), (B, K).

    Parameters
    ----------
    p : (B, A, K) tensor
        Probability of each finding in each region.
    there : (B, A) bool tensor
        Which regions count; an image without any has 0.
    r : float
        Above 0: 0 would be the mean, infinity the maximum.
    over_all : bool
        Divide by the number of all regions, as published, which makes p small where many are absent; or of
        those that are there.
    """
    masked = (r * p).masked_fill(~there[..., None], float("-inf"))
    some = there.any(1, keepdim=True)
    total = torch.where(some[..., None], masked, torch.zeros_like(masked)).logsumexp(1)
    count = torch.full_like(total, there.shape[1]) if over_all else there.sum(1, keepdim=True).clamp(min=1)
    found = ((total - torch.log(count.to(total.dtype))) / r).clamp(TINY, 1 - TINY)
    return torch.where(some, found, torch.full_like(found, TINY))


def grid_terms(
    logits: torch.Tensor, boxes: torch.Tensor, target: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Focal loss of the cells (Lin et al., ICCV 2017), L1 and 1 − GIoU: of a detector that is told the boxes.

    The cell that holds the middle of a box of class k is k's.

    Parameters
    ----------
    logits : (B, K, h, w) tensor
        Of each class in each cell.
    boxes : (B, K, h, w, 4) tensor
        cx, cy, w, h of the box of each.
    target : (B, M, 5) tensor
        Class, or −1 for none, and cx, cy, w, h.
    """
    _, _, high, wide = logits.shape
    image, row = torch.nonzero(target[..., 0] >= 0, as_tuple=True)
    told = target[image, row]
    kind = told[:, 0].long()
    i = (told[:, 2] * high).long().clamp(0, high - 1)
    j = (told[:, 1] * wide).long().clamp(0, wide - 1)
    y = torch.zeros_like(logits)
    y[image, kind, i, j] = 1
    p = logits.sigmoid()
    right = torch.where(y > 0, p, 1 - p)
    plain = F.binary_cross_entropy_with_logits(logits, y, reduction="none")
    share = torch.where(y > 0, 0.25, 0.75)
    focal = (share * (1 - right) ** 2 * plain).sum() / max(len(told), 1)
    return focal, *box_terms(boxes[image, kind, i, j], told[:, 1:])
