"""Which version this is. Rule: written down once; the build reads it here, so nobody asks the installation for it."""

from typing import Final

VERSION: Final = "0.1.0"
