"""Money in and out: one gateway in our own language, and what we do with its answers. It does not know how a traveler is told."""
