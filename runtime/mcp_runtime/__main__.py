"""`python -m mcp_runtime` is `mcp-runtime`. Rule: nothing here but the call."""

import sys

from mcp_runtime.cli import main

if __name__ == "__main__":
    sys.exit(main())
