"""NISF as a segmenter."""

from ...common.opening import loader
from .recipe import RECIPES
from .segmenter import NisfSegmenter

load = loader(NisfSegmenter, RECIPES)
