"""Several short texts as one, unambiguously: what a conversation or call is called, and who speaks in it (DESIGN §2). Pure.

One text is hashed, compared, encoded and kept once where three would be. The lengths of all parts but the last stand in front, a character each,
so no two tuples share a text. Part of the batches format and of state records.
"""

from __future__ import annotations

from typing import Final

LENGTHS: Final = tuple(map(chr, range(257)))
"""A length as a character. E1 bounds every part but the last by 256."""

USAGE: Final = "u"
VOICE: Final = "v"

NOBODY: Final = ""
"""In place of a `who` that does not count: of returns, of ends, of what the bot and the agent say."""


def talk_key(meter: str, workspace_id: str, app_id: str, subject: str) -> str:
    """The name of a conversation (`USAGE`) or call (`VOICE`)."""
    return f"{meter}{LENGTHS[len(workspace_id)]}{LENGTHS[len(app_id)]}{workspace_id}{app_id}{subject}"


def split_key(key: str) -> tuple[str, str, str]:
    """(workspace, app, conversation or call) of a `talk_key`."""
    app_at = 3 + ord(key[1])
    subject_at = app_at + ord(key[2])
    return key[3:app_at], key[app_at:subject_at], key[subject_at:]


def who_text(channel: str, kore_user_id: str, channel_user_id: str) -> str:
    """Who speaks, and over which channel."""
    return f"{LENGTHS[len(channel)]}{LENGTHS[len(kore_user_id)]}{channel}{kore_user_id}{channel_user_id}"


def split_who(who: str) -> tuple[str, str, str]:
    """(channel, kore_user_id, channel_user_id) of a `who_text`; of `NOBODY` three empty texts."""
    if not who:
        return "", "", ""
    kore_at = 2 + ord(who[0])
    channel_user_at = kore_at + ord(who[1])
    return who[2:kore_at], who[kore_at:channel_user_at], who[channel_user_at:]
