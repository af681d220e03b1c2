"""Made-up but realistic traffic of a conversational-AI platform: a pure function of its settings.

`traffic(settings)` gives CloudEvents as JSON lines (without the line end), in time order unless noise is asked for. The same settings give the same
bytes; a later end only adds lines after those of an earlier one (noise apart). It is lazy: what is held at any time are the events still to come of
conversations that have begun, whatever the number of days. No message text ever occurs.
"""

from services.local.traffic.platform import Workspace, platform_of
from services.local.traffic.settings import TrafficSettings
from services.local.traffic.stream import timed_traffic, traffic

__all__ = ["TrafficSettings", "Workspace", "platform_of", "timed_traffic", "traffic"]
