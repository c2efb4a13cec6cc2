"""`python -m service.cli` is `nbs`."""

from service.cli import main

main()
