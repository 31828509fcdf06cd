"""About how long something takes, in words, for messages that name a command."""

from __future__ import annotations

_UNITS = ((3600.0, "hour", "an hour"), (60.0, "minute", "a minute"), (1.0, "second", "a second"))


def about(seconds: float) -> str:
    """Words such as "about 7 seconds", "about a minute" or "about 2 hours"; counts above twenty are in tens."""
    size, unit, one = next((each for each in _UNITS if seconds >= 0.95 * each[0]), _UNITS[-1])
    count = round(seconds / size, -1 if seconds > 20.0 * size else 0)
    return f"about {one}" if count <= 1 else f"about {count:.0f} {unit}s"
