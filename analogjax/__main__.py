"""``python -m analogjax`` is the command ``analogjax``."""

import sys

from analogjax.experiments._cli import main

if __name__ == "__main__":
    sys.exit(main())
