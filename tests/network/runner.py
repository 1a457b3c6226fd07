"""How every run of tests that send packets begins and ends."""

import asyncio
import os
import resource
import shutil
import signal
import sys

import namespaces


def prepare(options, *programs):
    """Root, and all the open files there may be; SIGTERM ends the run as an error would, so that it
    cleans up. options.PROGRAM, a name or a path, becomes a path; what killed runs have left is removed."""
    run = os.path.basename(sys.argv[0])
    if os.geteuid() != 0:
        sys.exit(f"{run}: needs root, for network namespaces and nftables")
    _, limit = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(f"{run}: ended by SIGTERM"))
    for program in programs:
        path = shutil.which(getattr(options, program))
        if path is None:
            sys.exit(f"{run}: there is no program {getattr(options, program)}; give its path with --{program}")
        setattr(options, program, os.path.abspath(path))
    namespaces.remove_leftovers()


async def cancelled_by_signal(main):
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, asyncio.current_task().cancel)
    watcher = asyncio.PidfdChildWatcher()  # no thread for each process
    watcher.attach_loop(asyncio.get_running_loop())
    asyncio.set_child_watcher(watcher)
    return await main


def run(main):
    """Runs a coroutine to its end, or to SIGTERM."""
    try:
        return asyncio.run(cancelled_by_signal(main))
    except asyncio.CancelledError:
        sys.exit(f"{os.path.basename(sys.argv[0])}: ended by SIGTERM")
