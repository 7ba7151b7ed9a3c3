"""Pix2Pix: a U-Net, judged by a discriminator that sees its input too."""
