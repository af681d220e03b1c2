"""Which topic a name means: one that was deleted and made anew has the old one's name and another id.

Why it matters: the brokers forget a group's offsets with the topic, and a reader that is at work reads on in the middle of the new one, without a word.
Limit: up to `LOOK_EVERY_S` pass between two looks of a `Watch`; who keeps offsets keeps the id beside them, so that nothing builds on what was read then.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from confluent_kafka import KafkaError, KafkaException, TopicCollection
from confluent_kafka.admin import AdminClient

from services.runtime.errors import Unavailable
from services.runtime.kafka import TIMEOUT_S, client_config
from services.runtime.settings import KafkaSettings

LOOK_EVERY_S: Final = 5.0


class TopicIds:
    """Asks one cluster."""

    def __init__(self, kafka: KafkaSettings) -> None:
        self._kafka = kafka
        self._admin = AdminClient(client_config(kafka, "ERROR"))

    def of(self, names: Iterable[str]) -> dict[str, str]:
        """Topic → its id, of those that there are. Raises `Unavailable`."""
        found = {}
        for name, asked in self._admin.describe_topics(TopicCollection(list(names)), request_timeout=TIMEOUT_S).items():
            try:
                found[name] = str(asked.result().topic_id)
            except KafkaException as error:
                if error.args[0].code() != KafkaError.UNKNOWN_TOPIC_OR_PART:
                    raise Unavailable(
                        f"Kafka at {self._kafka.bootstrap_servers} does not tell the ids of its topics: {error.args[0].str()}. "
                        "Start the local stack with `quarterhour up`, or set QUARTERHOUR_KAFKA__BOOTSTRAP_SERVERS (and the protocol) to your brokers."
                    ) from error
        return found


class Watch:
    """Looks now and then whether topics are still those of the beginning."""

    def __init__(self, kafka: KafkaSettings, names: Iterable[str]) -> None:
        self._ids = TopicIds(kafka)
        self.first = self._ids.of(names)
        self._looked_s = 0.0

    def replaced(self, now_s: float) -> str | None:
        """A topic that is another than at the beginning, or gone. Looks every `LOOK_EVERY_S`; brokers that are away say nothing about it."""
        if now_s - self._looked_s < LOOK_EVERY_S:
            return None
        self._looked_s = now_s
        try:
            now = self._ids.of(self.first)
        except Unavailable:
            return None
        return next((name for name, first in self.first.items() if now.get(name) != first), None)
