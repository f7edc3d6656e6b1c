"""Run `bge-rerank` as `python -m bge_rerank.cli`."""

import sys

from bge_rerank.cli import main

if __name__ == "__main__":
    sys.exit(main())
