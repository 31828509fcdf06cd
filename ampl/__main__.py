"""`python -m ampl` is `ampl`."""

import sys

from ampl.cli import main

sys.exit(main())
