"""A stand-in for Telegram: its Bot API on the wire, and the people on the other side of it.

What it deviates in: webhooks may be plain http and are delivered one after the other; MarkdownV2 is refused with 501 instead
of imitated; photos are opaque bytes of one size; pauses before a repeated delivery are short. Not modelled, and refused as
unknown methods: payments, inline mode, business accounts, reactions, polls, stickers. Error texts follow the public service
as it is known; none of this was compared with the live one.
"""
