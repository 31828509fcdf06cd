"""A lock on an open file that ends with its process, however it ends."""

from __future__ import annotations


def lock(descriptor: int) -> bool | None:
    """Takes the lock of an open file without waiting; it is held until the file is closed.

    Returns:
        True if it is ours now, False if another process holds it, None where platform or file system know no locks.
    """
    try:
        import fcntl
    except ImportError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return None
    return True
