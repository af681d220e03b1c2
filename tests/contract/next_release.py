"""A processor of a next release, as a process: it reads this release's state, and writes a format of its own."""

from __future__ import annotations

import sys

from services.processors.exits import SERVICE
from services.processors.fold import Fold
from services.processors.main import make_meters, serve_fold
from services.runtime.lifecycle import Service, run_service
from services.runtime.settings import Settings
from tests.simulation.upgrade import NextRelease


def _serve(settings: Settings, service: Service) -> None:
    meters = make_meters(settings)

    def make(partition: int) -> Fold:
        return NextRelease(meters(partition))

    serve_fold(settings, service, make)


if __name__ == "__main__":
    sys.exit(run_service(SERVICE, _serve))
