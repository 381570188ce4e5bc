"""A conversation: one turn, its memory, who speaks now, which model. It does not know SQL, prices or Telegram."""
