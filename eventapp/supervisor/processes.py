"""Child processes that never outlive the one that started them."""
import ctypes
import os
import signal

_libc = ctypes.CDLL(None, use_errno=True)
PR_SET_PDEATHSIG = 1


def die_with_parent(signal_number=signal.SIGTERM):
    """A `preexec_fn`: the kernel sends this signal when the parent ends, however it ends.

    It belongs to the thread that starts the child, so children are started from the main thread.
    """
    parent = os.getpid()

    def in_the_child():
        _libc.prctl(PR_SET_PDEATHSIG, signal_number, 0, 0, 0)
        if os.getppid() != parent:  # it ended before we could ask
            os._exit(1)

    return in_the_child
