"""Keys: no two tuples share a text, and a text tells its tuple."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from services.events.keys import NOBODY, USAGE, VOICE, split_key, split_who, talk_key, who_text

ODD = st.sampled_from(["a", "b", "\0", "\x01", "é", "😀", '"'])


def texts(least: int, most: int) -> st.SearchStrategy[str]:
    return st.one_of(st.text(ODD, min_size=least, max_size=4), st.text(min_size=least, max_size=most))


@given(st.sampled_from([USAGE, VOICE]), texts(1, 128), texts(1, 128), texts(1, 256))
def test_a_key_tells_workspace_app_and_subject(meter: str, workspace_id: str, app_id: str, subject: str) -> None:
    assert split_key(talk_key(meter, workspace_id, app_id, subject)) == (workspace_id, app_id, subject)


@given(texts(1, 128), texts(0, 256), texts(0, 256))
def test_a_who_tells_channel_and_both_users(channel: str, kore_user_id: str, channel_user_id: str) -> None:
    assert split_who(who_text(channel, kore_user_id, channel_user_id)) == (channel, kore_user_id, channel_user_id)


def test_nobody_has_no_channel_and_no_users() -> None:
    assert split_who(NOBODY) == ("", "", "")


def test_moving_a_character_between_two_parts_gives_another_key() -> None:
    assert len({talk_key(USAGE, "ab", "c", "d"), talk_key(USAGE, "a", "bc", "d"), talk_key(USAGE, "a", "b", "cd"), talk_key(VOICE, "a", "b", "cd")}) == 4
