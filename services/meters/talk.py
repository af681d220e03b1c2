"""One conversation or call: the set of its events, in columns (DESIGN §2). Plain data; what the set bills is said by `usage` and `voice`.

Adding an event twice, or in another order, gives the same set (T6). Only what can change a bill is a row: for a conversation signs, marks and ends; of
everything else the latest instant of each hour (U8, P2). The fields are the state record: a talk is written and read without being remade.
Bounded by its eviction (T4) and by the events of about three days.
"""

from __future__ import annotations

from bisect import bisect_left
from typing import Final

import msgspec

from services.events.event import Kind
from services.events.keys import NOBODY
from services.meters.hours import hear, may_sleep
from services.meters.rules import FOREVER_MS, HOUR_MS, SLEEP_HOURS_MAX, Rules

UNTOUCHED: Final = 0
WOKEN: Final = 1
"""Its alarm went off: what it says of itself was brought up to date, its set was not."""
CHANGED: Final = 2
"""Its set changed, so its page must be written."""

NEVER: Final = -(1 << 40)
"""Earlier than every row."""

ALWAYS: Final = 1 << 31
"""Later than every row: 24 days and more from the first event."""

UNKEPT: Final = frozenset({int(Kind.STARTED_BY_BOT), int(Kind.MESSAGE_BY_BOT), int(Kind.MESSAGE_BY_AGENT)})
ENDS: Final = frozenset({int(Kind.ENDED_BY_USER), int(Kind.ENDED_BY_BOT), int(Kind.ENDED_BY_AGENT), int(Kind.ENDED_IDLE), int(Kind.VOICE_ENDED)})
MARKS: Final = frozenset({int(Kind.TRANSFERRED), int(Kind.RETURNED)})


class Talk(msgspec.Struct, array_like=True, gc=False):
    """A conversation or call. Times of rows are relative to `base_ms`, which keeps them small."""

    key: str
    page: int
    lasts: list[int]
    """P2: the latest event, of any kind, of each UTC hour that holds one, sorted."""
    base_ms: int
    due_ms: int = FOREVER_MS
    """No watermark below this makes `records` say anything else than at the last call."""
    shown: bool = False
    """Did the last call of `records` say anything?"""
    human_open: bool = False
    ended: bool = False
    """Is there a row that ends it?"""
    marked: bool = False
    """Is there a row of a mark (U1)?"""
    touched: int = UNTOUCHED
    quiet_until: int = NEVER
    """Relative: between the last row and here a further row of the same user changes nothing. Not later than the last row: nowhere."""
    names: list[str] = []
    """`keys.who_text` of those who spoke."""
    times: list[int] = []
    kinds: bytearray = msgspec.field(default_factory=bytearray)
    whos: list[int] = []
    """1 + the index into `names`; 0: nobody."""
    message_ids: list[str] = []

    def who(self, row: int) -> str:
        """The `who_text` of a row."""
        number = self.whos[row]
        return self.names[number - 1] if number else NOBODY

    def place(self, time: int, kind: int, message_id: str, who: str) -> int:
        """Where a row belongs that sorts by (time, kind, message id); -1: it is there already."""
        times = self.times
        if not times or time > times[-1]:
            return len(times)
        row = bisect_left(times, time)
        while row < len(times) and times[row] == time:
            here = (self.kinds[row], self.message_ids[row])
            if here == (kind, message_id) and self.who(row) == who:
                return -1
            if here > (kind, message_id):
                break
            row += 1
        return row

    def insert(self, row: int, time: int, kind: int, message_id: str, who: str) -> None:
        """Put a row at its place."""
        self.times.insert(row, time)
        self.kinds.insert(row, kind)
        self.message_ids.insert(row, message_id)
        self.whos.insert(row, self._number(who))
        if kind in ENDS:
            self.ended = True
        elif kind in MARKS:
            self.marked = True
        self.quiet_until = self.times[-1]

    def see(self, at_ms: int) -> None:
        """Something of it happened at this instant."""
        hear(self.lasts, at_ms)

    def may_sleep(self) -> bool:
        """P2: can there be a sleep in it?"""
        return may_sleep(self.lasts)

    def _number(self, who: str) -> int:
        if who == NOBODY:
            return 0
        if who not in self.names:
            self.names.append(who)
        return self.names.index(who) + 1


class TalkHead(msgspec.Struct, array_like=True, gc=False):
    """The first fields of a `Talk`, for who only looks when to look again."""

    key: str
    page: int
    lasts: list[int]
    base_ms: int
    due_ms: int
    shown: bool
    human_open: bool


def evictable_after_ms(talk: Talk | TalkHead, rules: Rules) -> int:
    """T4: its state may go when the least log time of the source partitions is past this, and nothing is due.

    What arrives later is then at least 25 h past the last event: a new episode, as after any silence. A call, and open human time,
    reach further, until P2 cuts them off: such a state is kept until what arrives is past that cut too.
    """
    if talk.human_open or talk.key[0] == "v":
        return talk.lasts[-1] + (SLEEP_HOURS_MAX + 2) * HOUR_MS + rules.lateness_ms
    return talk.lasts[-1] + rules.human_timeout_ms + rules.lateness_ms + HOUR_MS


encode_talk = msgspec.msgpack.Encoder().encode
decode_talk = msgspec.msgpack.Decoder(Talk).decode
decode_head = msgspec.msgpack.Decoder(TalkHead).decode
