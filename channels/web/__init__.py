"""The web door: the traveler's chat, the consoles, webhooks and the pages that links lead to."""
