"""Errors that end a process with a sentence instead of a traceback: each says what is wrong and what to do next."""

from __future__ import annotations


class ServiceError(Exception):
    """Something that a person can mend. `str()` is for people; `exit_code` is the process's."""

    exit_code = 1


class Unavailable(ServiceError):
    """A part that is needed (broker, topic, database, table) is not there; trying again later may work."""

    exit_code = 69
