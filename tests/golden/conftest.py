"""The bytes are the same with both twins."""

from tests.parts.twins import twin

__all__ = ["twin"]
