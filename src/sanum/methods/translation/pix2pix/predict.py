"""Pix2Pix as a translator."""

from ...common.opening import loader
from ...common.translator import Translator
from .recipe import RECIPES

load = loader(Translator, RECIPES)
