"""Run the command line as `python -m automodel`."""

import sys

from automodel.cli.parser import main

if __name__ == "__main__":
    sys.exit(main())
