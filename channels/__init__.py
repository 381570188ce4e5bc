"""The doors: web, terminal, Telegram, Slack, HTTP, and the composition root. It does not know how to think."""
