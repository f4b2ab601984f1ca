"""Check the claims against numbers: ``python -m validation --help``."""

import sys

from validation.runner.command import main

if __name__ == "__main__":
    sys.exit(main())
