"""`python -m docs.generate`, from the root of the repository. Rule: it writes what changed, and says so."""

import sys

from docs.generate import write_all

sys.stdout.write("".join(f"wrote {path}\n" for path in write_all()) or "All pages are up to date.\n")
