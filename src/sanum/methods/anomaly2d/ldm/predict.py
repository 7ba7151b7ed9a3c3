"""Latent diffusion as a detector."""

from ...common.network_detector import NetworkDetector
from ...common.opening import loader
from .recipe import RECIPES

load = loader(NetworkDetector, RECIPES)
