"""``python -m deliverkit``, and the console script. Ctrl-C ends quietly from the first import on."""

import sys


def main() -> None:
    """Run the command line."""
    try:
        from deliverkit.cli import main as run
    except KeyboardInterrupt:
        sys.exit(130)
    run()


if __name__ == "__main__":
    main()
