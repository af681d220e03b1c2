"""Every rule is tested with both twins."""

from tests.parts.twins import twin

__all__ = ["twin"]
