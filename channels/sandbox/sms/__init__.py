"""Twilio's interface for messages on a machine of one's own, with a page that plays the phones."""
