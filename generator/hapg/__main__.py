"""`python -m hapg` is the same as `hapg`."""

import sys

from hapg.cli import main

sys.exit(main())
