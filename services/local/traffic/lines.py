"""How a made-up event is written: a thread (one conversation, call, alert, login, agent) says verbs at instants; `render` makes the JSON line.

Everything that goes between quotes here is made of letters, digits, `-`, `.`, `/` and `+`: nothing needs escaping.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from services.events.times import format_ms


@dataclass(frozen=True, slots=True)
class Verb:
    """A type with the data that only it has. `user`: the line says who the user is; `message`: it has a message id."""

    type: str
    tail: str = ""
    user: bool = False
    message: bool = False


class Thread:
    """What the lines of one subject share. The line number makes the event id, so lines must be rendered in time order."""

    __slots__ = ("data", "lines", "source", "stem", "subject", "user")

    def __init__(self, stem: str, subject: str, source: str, data: str, user: str = "") -> None:
        self.stem = stem
        self.subject = subject
        self.source = source
        self.data = data
        self.user = user
        self.lines = 0


Script = list[tuple[int, Verb]]
"""What one thread says, by time."""

STARTED: Final = Verb("conversation.started", ',"initiator":"user"', user=True)
STARTED_BY_BOT: Final = Verb("conversation.started", ',"initiator":"bot"', user=True)
USER: Final = Verb("conversation.message", ',"sender":"user"', user=True, message=True)
BOT: Final = Verb("conversation.message", ',"sender":"bot"', user=True, message=True)
AGENT: Final = Verb("conversation.message", ',"sender":"agent"', user=True, message=True)
TRANSFERRED: Final = Verb("conversation.transferred")
RETURNED: Final = Verb("conversation.returned")
ENDED_BY_USER: Final = Verb("conversation.ended", ',"reason":"user"')
ENDED_BY_BOT: Final = Verb("conversation.ended", ',"reason":"bot"')
ENDED_BY_AGENT: Final = Verb("conversation.ended", ',"reason":"agent"')
ENDED_IDLE: Final = Verb("conversation.ended", ',"reason":"idle"')
CALL_STARTED: Final = Verb("voice.started", user=True)
CALL_PROGRESS: Final = Verb("voice.progress", user=True)
CALL_ENDED: Final = Verb("voice.ended", user=True)
DELIVERED: Final = Verb("alert.delivered", user=True, message=True)
FAILED: Final = Verb("alert.failed", user=True)
LOGGED_IN: Final = Verb("agent.logged_in")
LOGGED_OUT: Final = Verb("agent.logged_out")
ASSIGNED: Final = Verb("agent.assigned")
UNASSIGNED: Final = Verb("agent.unassigned")


def render(at_ms: int, thread: Thread, verb: Verb) -> bytes:
    """The thread's next line."""
    thread.lines = number = thread.lines + 1
    stem = thread.stem
    end = f',"message_id":"{stem}-m{number}"}}}}' if verb.message else "}}"
    return (
        f'{{"specversion":"1.0","id":"{stem}-{number}","source":"{thread.source}","type":"{verb.type}","time":"{format_ms(at_ms)}",'
        f'"subject":"{thread.subject}","data":{{{thread.data}{verb.tail}{thread.user if verb.user else ""}{end}'
    ).encode()
