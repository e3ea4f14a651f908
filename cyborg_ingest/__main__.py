"""`python -m cyborg_ingest`."""

from cyborg_ingest.cli import main

main()
