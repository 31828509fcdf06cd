"""`python -m ampl` is `ampl`."""

import sys

from ampl.command_line.main import main

sys.exit(main())
