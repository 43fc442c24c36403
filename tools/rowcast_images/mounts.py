"""A place for buildah's mounts, which it leaves behind in the machine's own otherwise."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress

# It holds the namespace until its input ends: with the block, or with us, however we end.
HOLDER = ("unshare", "--mount", "--propagation", "private", "cat")


@contextmanager
def mount_namespace() -> Iterator[tuple[str, ...]]:
    """What to begin a command with, for mounts that end with the block; () for others than root on Linux."""
    if sys.platform != "linux" or os.geteuid() != 0 or not (shutil.which("unshare") and shutil.which("nsenter")):
        yield ()
        return
    with subprocess.Popen(HOLDER, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True) as holder:
        assert holder.stdin
        assert holder.stdout
        with suppress(BrokenPipeError):
            holder.stdin.write(b"there?\n")
            holder.stdin.flush()
        # Its answer says that the namespace is there; a machine that refuses one gives none.
        answered = holder.stdout.readline()
        try:
            yield ("nsenter", f"--mount=/proc/{holder.pid}/ns/mnt") if answered else ()
        finally:
            with suppress(BrokenPipeError):
                holder.stdin.close()
