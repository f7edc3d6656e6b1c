"""`python -m bge_rerank.cli`, the same as `bge-rerank`."""

import sys

from bge_rerank.cli import main

if __name__ == "__main__":
    sys.exit(main())
