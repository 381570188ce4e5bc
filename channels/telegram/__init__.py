"""The Telegram door: parse and render are pure, deliver speaks to the Bot API, poll and webhook bring updates in."""
