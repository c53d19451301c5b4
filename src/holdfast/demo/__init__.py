"""The incident, replayed on a throw-away database, and undone."""

from holdfast.demo.story import replay

__all__ = ["replay"]
