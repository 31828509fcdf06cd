"""DAMO exactly: surrogates of the distribution mismatch, the inner minimum, and the maximin policy."""
