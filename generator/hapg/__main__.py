"""`python -m hapg` is `hapg`."""

import sys

from hapg.cli import main

sys.exit(main())
