"""`python -m sweeps.cli` is `frontune`."""

from sweeps.cli import main

main()
