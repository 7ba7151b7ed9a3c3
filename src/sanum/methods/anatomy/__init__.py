"""Methods that reconstruct the healthy anatomy of a scan."""
