"""The rules by example: SPEC §8, the numbers of §1, and the boundaries, as data. Rule: a case is events and the sessions expected.

The same cases run against the reference model, the core, and the whole pipeline: `case.events()` are CloudEvents,
`case.expected` the sessions in milliseconds from t0 (`timeline.T0_MS`), by start. All events seen, the watermark past everything.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from tests.spec.timeline import T0_MS, CloudEvent, cloud_events, offset_ms, slug, span, spans


@dataclass(frozen=True)
class Case:
    """One conversation or call."""

    rule: str
    name: str
    timeline: str
    sessions: str
    type: str = "usage"
    rules: str = ""
    """`rule` of each session (U13); empty: not looked at."""
    message_ids: str = ""
    """`message_id` of each session, `-` for none; the message at place i of the timeline is `m<i>`. Empty: not looked at."""
    conversations: str = ""
    """`start-end reason human_minutes` of each conversation fact (C1), or `none`; empty: not looked at."""

    @property
    def slug(self) -> str:
        """The case's name as an id: of the test, and of the conversation."""
        return slug(self.rule, self.name)

    @property
    def expected(self) -> list[tuple[int, int]]:
        """Start and end of each session, in milliseconds from t0."""
        return spans(self.sessions)

    @property
    def expected_conversations(self) -> list[tuple[int, int, str, int]]:
        """Start, end, reason, human time of each conversation fact, in milliseconds."""
        rows = [] if self.conversations == "none" else [row.split() for row in self.conversations.split(", ")]
        return [(*span(window), reason, offset_ms(human)) for window, reason, human in rows]

    def events(self, t0_ms: int = T0_MS, workspace_id: str = "examples") -> list[CloudEvent]:
        return cloud_events(self.timeline, subject=self.slug, workspace_id=workspace_id, t0_ms=t0_ms)


@dataclass(frozen=True)
class WatermarkCase:
    """What is published (U8) when the watermark stands at `watermark` (a time from t0)."""

    rule: str
    name: str
    timeline: str
    watermark: str
    sessions: str
    conversation: str = ""
    """`open`, or `end_reason`, of the only conversation fact; empty: not looked at."""

    @property
    def slug(self) -> str:
        return slug(self.rule, self.name)

    @property
    def watermark_ms(self) -> int:
        """From t0."""
        return offset_ms(self.watermark)

    @property
    def expected(self) -> list[tuple[int, int]]:
        return spans(self.sessions)

    def events(self, t0_ms: int = T0_MS, workspace_id: str = "examples") -> list[CloudEvent]:
        return cloud_events(self.timeline, subject=self.slug, workspace_id=workspace_id, t0_ms=t0_ms)


WORKED: Final = (
    Case(
        "§8",
        "thirty-one minutes are three sessions",
        "started 0, ended 31",
        "0-15, 15-30, 30-31",
        rules="U7:full, U7:full, U7:ended",
        conversations="0-31 user 0",
    ),
    Case("§8", "fifteen minutes are one session", "started 0, ended 15", "0-15", rules="U7:full"),
    Case(
        "§8", "a missing end does not shorten a window", "user message 0, 14, 31", "0-15, 15-30, 30-45", message_ids="m0, -, m2", conversations="0-31 silence 0"
    ),
    Case("§8", "a bot message prolongs nothing", "user message 0, bot message 20", "0-15", conversations="0-0 silence 0"),
    Case(
        "§8",
        "time with the agent is excluded",
        "started 0, transferred 10, returned 40, ended 50",
        "0-45, 45-50",
        rules="U7:full, U7:ended",
        conversations="0-50 user 30",
    ),
    Case("§8", "with the agent to the end", "started 0, transferred 5, ended 60", "0-5", rules="U7:ended", conversations="0-60 user 55"),
    Case("§8", "a bot alone bills nothing", "started by bot 0, bot message 1, ended 2", "none", conversations="none"),
    Case("§8", "an agent alone bills nothing", "started 0, transferred 0, ended 30", "none", conversations="none"),
    Case("§8", "billing begins when the agent gives back", "started 0, transferred 0, returned 10, ended 40", "10-25, 25-40", conversations="10-40 user 0"),
    Case("§8", "billing begins when the user speaks", "started by bot 0, user message 20, ended 36", "20-35, 35-36", message_ids="m1, -"),
    Case(
        "§8",
        "a call of 31 minutes, 10 with an agent",
        "voice started 0, transferred 5, returned 15, voice ended 31",
        "0-15, 15-30, 30-31",
        type="voice",
        rules="V1:full, V1:full, V1:ended",
    ),
    Case("§8", "61 minutes of silence part two episodes", "user message 0, 61", "0-15, 61-76", conversations="0-0 silence 0, 61-61 silence 0"),
    Case("§8", "the good-bye is free", "started 0, ended 20, user message 20.5, 40", "0-15, 15-20, 40-55", message_ids="-, -, m3"),
    Case(
        "§8",
        "a message to the agent after a day",
        "started 0, transferred 10, user message 25h",
        "0-10",
        rules="U7:stopped",
        conversations="0-25h silence 1490",
    ),
    Case("§8", "an end eight hours late ends nothing", "started 0, user message 2, ended by bot 480", "0-15", rules="U7:full", conversations="0-2 silence 0"),
)
"""Every row of SPEC §8, in its order."""

QUARTER_HOUR: Final = (
    Case("U6", "one millisecond below a quarter of an hour", "started 0, ended 15-1ms", "0-15-1ms", rules="U7:ended"),
    Case("U6", "one millisecond above a quarter of an hour", "started 0, ended 15+1ms", "0-15, 15-15+1ms", rules="U7:full, U7:ended"),
    Case("U6", "a user message at exactly a quarter", "user message 0, 15", "0-15", message_ids="m0"),
    Case("U6", "a user message just past a quarter", "user message 0, 15+1ms", "0-15, 15-30", message_ids="m0, m1"),
    Case("U6", "a user message just below a quarter", "user message 0, 15-1ms", "0-15"),
    Case("U6", "exactly thirty minutes", "started 0, ended 30", "0-15, 15-30", rules="U7:full, U7:full"),
    Case("U6", "no time at all is one session", "started 0, ended 0", "0-0", rules="U7:ended"),
    Case("U7", "a session never starts in human time", "started 0, transferred 15, returned 40, ended 41", "0-15, 40-41"),
    Case("U7", "the clock stops exactly at a full window", "started 0, transferred 15, user message 20", "0-15", rules="U7:full"),
    Case("U7", "the clock stops for good in the second window", "started 0, transferred 16, user message 20", "0-15, 15-16", rules="U7:full, U7:stopped"),
    Case("U7", "the last window ends where the clock stopped", "started 0, transferred 20, ended 90", "0-15, 15-20", rules="U7:full, U7:ended"),
    Case("U7", "an idle end does not shorten a window", "user message 0, ended idle 5", "0-15", rules="U7:full", conversations="0-0 idle 0"),
    Case("U7", "an idle end is no evidence", "user message 0, ended idle 59", "0-15", conversations="0-0 idle 0"),
    Case("U7", "human time inside the last window moves its end", "user message 0, transferred 20, returned 30", "0-15, 15-40", rules="U7:full, U7:full"),
    Case("U6", "two hand-offs", "started 0, transferred 5, returned 10, transferred 15, returned 30, ended 40", "0-35, 35-40", conversations="0-40 user 20"),
)

SILENCE: Final = (
    Case("U3", "silence of exactly an hour", "user message 0, 60", "0-15, 15-30, 30-45, 45-60"),
    Case("U3", "silence of an hour and a millisecond", "user message 0, 60+1ms", "0-15, 60+1ms-75+1ms"),
    Case("U3", "silence of an hour less a millisecond", "user message 0, 60-1ms", "0-15, 15-30, 30-45, 45-60"),
    Case("U3", "an end after exactly an hour", "user message 0, ended 60", "0-15, 15-30, 30-45, 45-60", conversations="0-60 user 0"),
    Case("U3", "an end after an hour and a millisecond", "user message 0, ended 60+1ms", "0-15", conversations="0-0 silence 0"),
    Case("U3", "an end late only by human time", "started 0, transferred 10, returned 200, ended 260", "0-205, 205-220, 220-235, 235-250, 250-260"),
    Case("U3", "silence is bot clock", "user message 0, transferred 1, returned 100, user message 160", "0-114, 114-129, 129-144, 144-159, 159-174"),
    Case("U3", "silence is bot clock, a millisecond more", "user message 0, transferred 1, returned 100, user message 160+1ms", "0-114, 160+1ms-175+1ms"),
    Case("U3", "what the agent says prolongs nothing", "user message 0, agent message 50, user message 61", "0-15, 61-76"),
    Case(
        "U3",
        "a transfer prolongs",
        "user message 0, transferred 50, returned 50+1ms, user message 100",
        "0-15, 15-30, 30-45, 45-60+1ms, 60+1ms-75+1ms, 75+1ms-90+1ms, 90+1ms-105+1ms",
    ),
    Case("U3", "an end closes once", "started 0, ended 5, ended 10", "0-5", conversations="0-5 user 0"),
    Case("U3", "an end without an episode", "ended 0, user message 1", "1-16"),
    Case("U3", "a sign at the instant of the end belongs to it", "started 0, user message 20, ended idle 20", "0-15, 15-30", conversations="0-20 idle 0"),
    Case("U5", "at one instant an end that is not idle comes first", "started 0, ended idle 5, ended by agent 5", "0-5", conversations="0-5 agent 0"),
    Case("U5", "the user's end comes before the agent's", "started 0, ended by agent 5, ended by bot 5, ended 5", "0-5", conversations="0-5 user 0"),
    Case("P2", "asleep for 49 hours by the list of hours", "user message 0, transferred 1, returned 49h", "0-2954", rules="U7:full"),
    Case(
        "P2",
        "asleep for 50 hours by the list of hours",
        "user message 0, transferred 1, returned 50h, user message 50h",
        "0-1, 50h-50.25h",
        rules="U7:stopped, U7:full",
    ),
)

GRACE: Final = (
    Case("U3", "a good-bye after exactly a minute", "started 0, ended 5, user message 6", "0-5"),
    Case("U3", "a message a minute and a millisecond after the end", "started 0, ended 5, user message 6+1ms", "0-5, 6+1ms-21+1ms"),
    Case("U3", "grace counts from the first end", "started 0, ended 5, ended 5.5, user message 6.25", "0-5, 6.25-21.25"),
    Case("U3", "grace after an idle end", "user message 0, ended idle 20, user message 21", "0-15", message_ids="m0"),
    Case("U3", "a new window beside one that an idle end left", "user message 0, ended idle 1, user message 3", "0-15, 3-18"),
    Case("U3", "transferred in grace counts as a mark", "started 0, ended 5, transferred 5.5, user message 8, returned 10, ended 12", "0-5, 10-12"),
    Case("U3", "transferred in grace, never returned", "started 0, ended 5, transferred 5.5, user message 8, ended 12", "0-5"),
    Case("U1", "an idle end gives back what was transferred in grace", "started 0, ended 5, transferred 5.5, ended idle 30, user message 40", "0-5, 40-55"),
    Case(
        "U2",
        "human time after the end is not of the episode",
        "started 0, user message 14, ended idle 14, transferred 14.5, returned 30, ended 31",
        "0-15",
        rules="U7:full",
    ),
)

HUMAN_TIME: Final = (
    Case("U1", "marks of both kinds at one instant change nothing", "started 0, transferred 5, returned 5, ended 10", "0-10", conversations="0-10 user 0"),
    Case("U1", "both marks at one instant keep it human", "started 0, transferred 5, returned 8, transferred 8, ended 10", "0-5", conversations="0-10 user 5"),
    Case("U1", "a second transfer changes nothing", "started 0, transferred 5, transferred 8, returned 10, ended 20", "0-20", conversations="0-20 user 5"),
    Case("U1", "a return without a transfer changes nothing", "started 0, returned 5, ended 20", "0-15, 15-20"),
    Case("U1", "human time that an idle end leaves open", "started 0, transferred 5, ended idle 30", "0-5", rules="U7:stopped", conversations="0-5 idle 0"),
    Case("U1", "after an idle end the bot has it", "started 0, transferred 5, ended idle 30, user message 40, returned 45", "0-5, 40-55"),
    Case("U1", "after any end the bot has it", "started 0, transferred 5, ended 30, user message 40, ended 50", "0-5, 40-50"),
    Case("U1", "an end at the instant of the return", "started 0, transferred 5, returned 30, ended 30", "0-5", conversations="0-30 user 25"),
    Case("U1", "an end at the instant of the transfer", "started 0, transferred 5, ended 5", "0-5", conversations="0-5 user 0"),
    Case("U4", "the return comes at te", "user message 0, transferred 0, returned 10, ended 10", "none"),
    Case("U4", "the return comes a millisecond before te", "user message 0, transferred 0, returned 10-1ms, ended 10", "10-1ms-10"),
    Case("U4", "the return comes after the last sign", "user message 0, transferred 0, returned 10", "none"),
    Case("U4", "the user speaks at the instant of the return", "transferred 0, returned 10, user message 10", "10-25"),
    Case("U4", "the user speaks at the instant of an end of human time", "transferred 0, user message 10, ended 10", "none"),
    Case("U4", "transfer, message and end at one instant", "transferred 10, user message 10, ended 10", "10-10"),
    Case("U4", "a transfer alone", "transferred 0, returned 10, ended 20", "none"),
    Case("U4", "a bot's start is no anchor", "started by bot 0, transferred 3, returned 4, user message 10, ended 12", "10-12"),
    Case("U10", "no message id from human time", "started 0, transferred 5, user message 6, returned 10, user message 12, ended 13", "0-13", message_ids="m4"),
    Case(
        "U10",
        "a message at exactly the full clock is of the session before",
        "started 0, user message 15, user message 16, ended 17",
        "0-15, 15-17",
        message_ids="m1, m2",
    ),
    Case("U10", "two messages at one instant", "started 0, user message 3, user message 3", "0-15", message_ids="m1"),
)

VOICE: Final = (
    Case("V1", "exactly fifteen minutes", "voice started 0, voice ended 15", "0-15", "voice", rules="V1:full"),
    Case("V1", "a millisecond more than fifteen minutes", "voice started 0, voice ended 15+1ms", "0-15, 15-15+1ms", "voice", rules="V1:full, V1:ended"),
    Case("V1", "no end: the window is whole", "voice started 0, voice progress 16", "0-15, 15-30", "voice", rules="V1:full, V1:full"),
    Case("V1", "what is before the start is ignored", "voice progress 0, voice ended 5, voice started 10, voice ended 12", "10-12", "voice"),
    Case("V1", "without a start the earliest event begins it", "voice progress 5, voice ended 12", "5-12", "voice"),
    Case("V1", "an end alone", "voice ended 5", "5-5", "voice", rules="V1:ended"),
    Case("V1", "the earliest end counts", "voice started 0, voice ended 10, voice progress 30, voice ended 40", "0-10", "voice"),
    Case("V1", "the earliest start counts", "voice started 0, voice started 5, voice ended 10", "0-10", "voice"),
    Case("V1", "a day is the most", "voice started 0, voice ended 25h", ", ".join(f"{15 * k}-{15 * k + 15}" for k in range(96)), "voice"),
    Case("V1", "a day is the most without an end", "voice started 0, voice progress 24h+1ms", ", ".join(f"{15 * k}-{15 * k + 15}" for k in range(96)), "voice"),
)

ALERTS: Final = (
    Case("A1", "a report every eight hours is three a day", "alert 0, alert 8h, alert 16h", "0-0, 8h-8h, 16h-16h", "alert", "A1, A1, A1", "m0, m1, m2"),
    Case("A1", "an alert that failed is not billed", "alert failed 0", "none", "alert"),
)

CASES: Final = WORKED + QUARTER_HOUR + SILENCE + GRACE + HUMAN_TIME + VOICE + ALERTS
"""Every case that ends with the watermark past everything."""

WATERMARK_CASES: Final = (
    WatermarkCase("U8", "not while the watermark stands at the end", "user message 0", "15", "none"),
    WatermarkCase("U8", "once the watermark has passed the end", "user message 0", "15+1ms", "0-15", "open"),
    WatermarkCase("U8", "an end publishes at once", "user message 0, ended 5", "0", "0-5", "user"),
    WatermarkCase("U8", "an idle end publishes whole windows at once", "user message 0, 20, ended idle 21", "0", "0-15, 15-30", "idle"),
    WatermarkCase("U8", "the first session does not wait for the second", "user message 0, 20", "16", "0-15", "open"),
    WatermarkCase("U8", "windows before open human time do not wait", "user message 0, transferred 20", "19", "0-15", "open"),
    WatermarkCase("U8", "open human time waits a day", "user message 0, transferred 20, agent message 30", "24.5h", "0-15", "open"),
    WatermarkCase("U8", "and no longer", "user message 0, transferred 20, agent message 30", "24.5h+1ms", "0-15, 15-20", "silence"),
    WatermarkCase("U8", "nothing is published of what waits alone", "user message 0, transferred 5", "23h", "none"),
    WatermarkCase("C1", "a conversation is open for an hour after its last sign", "user message 0", "60", "0-15", "open"),
    WatermarkCase("C1", "and over when the watermark has passed it", "user message 0", "60+1ms", "0-15", "silence"),
    WatermarkCase("C1", "an hour of bot clock", "user message 0, transferred 1, returned 11", "71", "0-25", "open"),
    WatermarkCase("C1", "an hour of bot clock passed", "user message 0, transferred 1, returned 11", "71+1ms", "0-25", "silence"),
    WatermarkCase("V1", "a call without an end waits for its window", "voice started 0, voice progress 5", "15", "none"),
    WatermarkCase("V1", "a call's end publishes at once", "voice started 0, voice ended 5", "0", "0-5"),
    WatermarkCase("A2", "an alert is published at once", "alert 30", "0", "30-30"),
)
