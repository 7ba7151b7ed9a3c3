"""L1 and structural similarity, as all translators with pairs have them."""

from ...common.translation_loss import likeness_loss

__all__ = ["likeness_loss"]
