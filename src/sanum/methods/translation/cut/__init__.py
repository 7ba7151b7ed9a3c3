"""CUT: translation without pairs, by what patches of input and output have in common."""
