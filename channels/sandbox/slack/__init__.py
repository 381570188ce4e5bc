"""A stand-in for Slack: its Web API, signed HTTP events and Socket Mode on the wire, and the people of one workspace behind them.

What it deviates in: one workspace, one app, no Enterprise Grid, no OAuth; plain http and ws; pauses before a repeated delivery
are short; blocks are checked by slack_sdk's own models and the limits it does not know; a mention is written `@traveloure`. Not
modelled, and refused as unknown methods: streaming, history, reactions, user groups, uploads by the bot, scheduled messages. A
retry asks for nothing but the event's id. Error names follow the public service as it is known; none of this was compared with
the live one.
"""
