"""`python -m sanum`."""

from .cli.main import main

main()
