"""Results of a folder to look at in a browser: `sanum view`, on this machine alone."""
