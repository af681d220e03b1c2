"""The conversations and calls of one batches partition: fold rows in, wake what falls due, let go what can no longer change (DESIGN §2, T3, T4). Pure.

At rest a talk is its record's bytes, by page; one that a message touches is unpacked and stays so until the epoch after. The cost of a row:
- a message inside the window of an open session, or anything that only the bot or the agent says, touches a few numbers (the quiet path);
- while nothing of a talk is published and nothing ends it, nothing can fall due before its first row + 15 min (U7), so it is not looked at;
- all else is looked at twice, before and after, and the difference is published.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from heapq import heappop, heappush
from itertools import compress

from services.events.batches import PAGES, TIMES, BatchFormatError, Rows, unpack, unpack_texts
from services.events.event import FIRST_ALERT, Kind
from services.events.keys import VOICE
from services.events.outgoing import OutFact
from services.meters.publish import publish
from services.meters.records import Change, Records, changes
from services.meters.rules import FOREVER_MS, HOUR_MS, QUARTER_MS, Rules
from services.meters.sets import take_but
from services.meters.talk import (
    ALWAYS,
    CHANGED,
    ENDS,
    UNKEPT,
    UNTOUCHED,
    WOKEN,
    Talk,
    TalkHead,
    decode_head,
    decode_talk,
    encode_talk,
    evictable_after_ms,
)
from services.meters.usage import usage_records
from services.meters.voice import voice_records

Row = tuple[int, int, int, str, str, str]
"""(page, kind, time, key, who, message id): `batches.Rows` one by one."""

_Before = dict[str, tuple[Talk, Records]]
"""By key: a talk that this message changes, and what was published of it before."""

_FIRST_ALERT = int(FIRST_ALERT)
_GONE_PART = 2
"""A page's record holds those that were let go too, until they are half as many as there are."""
_REPEATED = frozenset({int(Kind.MESSAGE_BY_USER), int(Kind.VOICE_PROGRESS)})
"""Kinds that come again and again inside a session."""


class Talks:
    """All talks of a partition."""

    def __init__(self, rules: Rules) -> None:
        self._rules = rules
        self._hot: dict[str, Talk] = {}
        self._touched: list[Talk] = []
        self._cold: dict[int, dict[str, bytes]] = {}
        """Page → key → bytes: complete but for what was touched since `flush`."""
        self._unsettled: dict[int, dict[str, None]] = {}
        """Page → keys that changed since `settle`, in the order in which they did."""
        self._alarms: list[tuple[int, int, str]] = []
        """Heap of (due, page, key)."""
        self._last_hours: dict[int, list[tuple[int, str]]] = {}
        """Hour → (page, key) of what may be let go then, not sooner."""
        self._changed_pages: set[int] = set()
        self._gone: dict[int, int] = {}
        """Page → how many were let go since all of it was asked for."""
        self.count = 0

    def apply(self, rows: Rows, unseen: bytes, from_ms: int, to_ms: int, ahead: Collection[int], revision: int) -> list[OutFact]:
        """Fold a message's rows in and wake what falls due, but on pages that are `ahead` (E2): the facts, in the order of F4.

        `unseen`: for each row 1, or 0 where it is in the state already.
        """
        pages, times_ms = unpack(PAGES, rows.pages), unpack(TIMES, rows.times_ms)
        columns = (pages, rows.kinds, times_ms, *(unpack_texts(column) for column in (rows.keys, rows.whos, rows.message_ids)))
        if {len(column) for column in columns} != {len(unseen)}:
            raise BatchFormatError("its columns are of unequal length")
        talks: Iterable[Row] = zip(*columns, strict=True)
        if 0 in unseen:
            talks = compress(talks, unseen)
        found = self._fold(talks, from_ms, to_ms)
        found += self._wake(from_ms, to_ms, ahead)
        return publish(found, revision, revision)

    def take_changed(self, ahead: Collection[int]) -> Iterable[int]:
        """Pages whose records must be written; those that are `ahead` stay for a later call."""
        return take_but(self._changed_pages, ahead)

    def _fold(self, rows: Iterable[Row], from_ms: int, to_ms: int) -> list[Change]:  # noqa: PLR0912 - the hot path, a call less for each row
        """Put rows into their talks while the watermark moves; what is to be published of these talks."""
        hot = self._hot
        before: _Before = {}
        for page, kind, at, key, who, message_id in rows:
            if kind >= _FIRST_ALERT:
                continue
            talk = hot.get(key)
            if talk is None:
                talk = self._warm(page, key, at)
            if talk.touched != CHANGED:
                self._touch(talk)
            lasts = talk.lasts
            if at // HOUR_MS == lasts[-1] // HOUR_MS:
                if kind in UNKEPT:
                    if not talk.human_open and (len(lasts) == 1 or not talk.may_sleep()):
                        if at > lasts[-1]:
                            lasts[-1] = at
                        continue
                elif kind in _REPEATED:
                    time = at - talk.base_ms
                    if time <= talk.quiet_until and talk.times[-1] < time and talk.names[talk.whos[-1] - 1] == who:
                        talk.times.append(time)
                        talk.kinds.append(kind)
                        talk.message_ids.append(message_id)
                        talk.whos.append(talk.whos[-1])
                        if at > lasts[-1]:
                            lasts[-1] = at
                        continue
            if kind in UNKEPT:
                self._see(talk, at, from_ms, before)
            else:
                self._add(talk, kind, at, who, message_id, from_ms, to_ms, before)
        return self._compare(before, to_ms)

    def _wake(self, from_ms: int, to_ms: int, ahead: Collection[int]) -> list[Change]:
        """What falls due as the watermark moves, but on pages that are ahead (E2). No set changes, so no page must be written."""
        before: _Before = {}
        while self._alarms and self._alarms[0][0] <= to_ms:
            _, page, key = heappop(self._alarms)
            if page in ahead or key in before:
                continue
            talk = self._due(page, key, to_ms)
            if talk is not None:
                before[key] = (talk, self._shown(talk, from_ms))
        return self._compare(before, to_ms)

    def sweep(self, least_log_ms: int) -> Collection[int]:
        """T4: drop what no event can reach any more and from which nothing is due; the pages of which so many were let go that all is to be asked for."""
        # Hours that are over: of one that is not, most are still to be kept, and would be looked at again and again.
        for hour in [hour for hour in self._last_hours if (hour + 1) * HOUR_MS <= least_log_ms]:
            for page, key in self._last_hours.pop(hour):
                self._let_go(page, key, least_log_ms)
        thin = {page for page, gone in self._gone.items() if gone * _GONE_PART >= len(self._cold.get(page, {}))}
        self._changed_pages |= thin
        return thin

    def flush(self) -> None:
        """Bring the bytes up to date. What was not touched since the last call is kept as bytes alone."""
        kept = [talk for talk in self._touched if self._hot.get(talk.key) is talk]
        for talk in kept:
            if talk.touched == CHANGED:
                self._unsettled.setdefault(talk.page, {})[talk.key] = None
            talk.touched = UNTOUCHED
            self._cold.setdefault(talk.page, {})[talk.key] = encode_talk(talk)
        self._hot = {talk.key: talk for talk in kept}
        self._touched = []

    def settle(self, page: int, whole: bool) -> list[bytes]:
        """The talks of a page as of the last `flush`, or those of them that changed since the last call: whoever asks keeps them.

        One that only fell due did not change: `load` makes up for it.
        """
        cold = self._cold.get(page, {})
        changed = self._unsettled.pop(page, {})
        if whole:
            self._gone.pop(page, None)
        return [cold[key] for key in (cold if whole else changed)]

    def load(self, page: int, unsettled: list[bytes], settled: list[bytes], published_ms: int) -> None:
        """Take a page's talks from its record, a settled one where no unsettled one is newer.

        What fell due until `published_ms` was published, though the page was not written again.
        """
        cold = self._cold[page] = {}
        for number, data in enumerate((*unsettled, *settled)):
            head = decode_head(data)
            if number < len(unsettled):
                self._unsettled.setdefault(page, {})[head.key] = None
            elif head.key in cold:
                continue
            cold[head.key] = data
            self.count += 1
            self._remember(page, head.key, evictable_after_ms(head, self._rules))
            if head.due_ms <= published_ms:
                talk = self._warm(page, head.key, head.base_ms)
                self._woken(talk)
                self._records(talk, published_ms)
                self._set_alarm(talk)
            elif head.due_ms < FOREVER_MS:
                heappush(self._alarms, (head.due_ms, page, head.key))

    def _warm(self, page: int, key: str, at_ms: int) -> Talk:
        """The talk unpacked: as it was, or new with an event of this instant."""
        data = self._cold.get(page, {}).get(key)
        if data is None:
            talk = Talk(key, page, [at_ms], at_ms)
            self.count += 1
            self._remember(page, key, evictable_after_ms(talk, self._rules))
        else:
            talk = decode_talk(data)
        self._hot[key] = talk
        return talk

    def _touch(self, talk: Talk) -> None:
        if talk.touched == UNTOUCHED:
            self._touched.append(talk)
        talk.touched = CHANGED
        self._changed_pages.add(talk.page)

    def _woken(self, talk: Talk) -> None:
        if talk.touched == UNTOUCHED:
            talk.touched = WOKEN
            self._touched.append(talk)

    def _see(self, talk: Talk, at_ms: int, from_ms: int, before: _Before) -> None:
        """What is not kept moves only the human timeout (U8), and, where the talk slept, the place where it is cut (P2)."""
        if (talk.human_open or talk.may_sleep()) and talk.key not in before:
            before[talk.key] = (talk, self._shown(talk, from_ms))
        talk.see(at_ms)

    def _add(self, talk: Talk, kind: int, at_ms: int, who: str, message_id: str, from_ms: int, to_ms: int, before: _Before) -> None:
        time = at_ms - talk.base_ms
        row = talk.place(time, kind, message_id, who)
        if row < 0:
            return
        if talk.shown or talk.ended or kind in ENDS:
            if talk.key not in before:
                before[talk.key] = (talk, self._shown(talk, from_ms))
            talk.insert(row, time, kind, message_id, who)
            talk.see(at_ms)
            return
        talk.insert(row, time, kind, message_id, who)
        talk.see(at_ms)
        # Nothing is published and nothing ends it: no session ends before the first row + 15 min (U7), so nothing is due until then.
        due_ms = talk.base_ms + talk.times[0] + QUARTER_MS + 1
        if due_ms <= to_ms:
            before.setdefault(talk.key, (talk, {}))
        elif due_ms < talk.due_ms:
            talk.due_ms = due_ms
            heappush(self._alarms, (due_ms, talk.page, talk.key))
        if who and not row < len(talk.times) - 1:
            talk.quiet_until = ALWAYS

    def _compare(self, before: _Before, to_ms: int) -> list[Change]:
        found: list[Change] = []
        for talk, shown in before.values():
            found += changes(shown, self._records(talk, to_ms))
            self._set_alarm(talk)
        return found

    def _shown(self, talk: Talk, watermark_ms: int) -> Records:
        return self._records(talk, watermark_ms) if talk.shown else {}

    def _records(self, talk: Talk, watermark_ms: int) -> Records:
        if talk.key[0] == VOICE:
            return voice_records(talk, watermark_ms, self._rules)
        return usage_records(talk, watermark_ms, self._rules)

    def _set_alarm(self, talk: Talk) -> None:
        if talk.due_ms < FOREVER_MS:
            heappush(self._alarms, (talk.due_ms, talk.page, talk.key))

    def _due(self, page: int, key: str, to_ms: int) -> Talk | None:
        """The talk of an alarm, unpacked, when it really is due."""
        talk = self._hot.get(key)
        if talk is None:
            data = self._cold.get(page, {}).get(key)
            if data is None or decode_head(data).due_ms > to_ms:
                return None
            talk = self._warm(page, key, to_ms)
        elif talk.due_ms > to_ms:
            return None
        self._woken(talk)
        return talk

    def _remember(self, page: int, key: str, evictable_ms: int) -> None:
        self._last_hours.setdefault(evictable_ms // HOUR_MS, []).append((page, key))

    def _let_go(self, page: int, key: str, least_log_ms: int) -> None:
        cold = self._cold.get(page, {})
        head: Talk | TalkHead = self._hot.get(key) or decode_head(cold[key])
        last_ms = evictable_after_ms(head, self._rules)
        if head.due_ms < FOREVER_MS or last_ms >= least_log_ms:
            self._remember(page, key, max(last_ms, least_log_ms))
            return
        self._hot.pop(key, None)
        cold.pop(key, None)
        self._unsettled.get(page, {}).pop(key, None)
        self._gone[page] = self._gone.get(page, 0) + 1
        self.count -= 1
