"""UNA: unraveling normal anatomy (CVPR 2025, arXiv 2501.13370)."""
