"""The version of the runtime. Rule: written down once; the build reads it here, and nobody asks the installation."""

from typing import Final

VERSION: Final = "0.1.0"
