"""``python -m deliverkit``."""

from deliverkit.cli import main

main()
