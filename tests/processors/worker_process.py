"""A processor around the counting fold, as a process of its own. Settings come from the environment, the fold's from the arguments."""

from __future__ import annotations

import os
import random
import signal
import sys
import threading
import time

from services.processors.exits import SERVICE
from services.processors.main import serve_fold
from services.runtime.lifecycle import run_service
from tests.processors.counting import CountingFold


def main(padding_bytes: int, apply_s: float, kill_after_s_max: float) -> int:
    if kill_after_s_max:
        threading.Thread(target=_kill_at_random, args=(kill_after_s_max,), daemon=True).start()
    return run_service(SERVICE, lambda settings, service: serve_fold(settings, service, lambda partition: CountingFold(padding_bytes, apply_s)))


def _kill_at_random(after_s_max: float) -> None:
    time.sleep(random.uniform(0, after_s_max))
    os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), float(sys.argv[2]), float(sys.argv[3])))
