"""The publisher alone, in a process of its own: arguments are the sidecar's port, how many events, and lanes."""

import asyncio
import json
import sys

from bench.capture import bare

if __name__ == "__main__":
    asyncio.run(bare(int(sys.argv[1]), json.load(sys.stdin), int(sys.argv[2]), int(sys.argv[3])))
