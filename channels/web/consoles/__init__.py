"""The desks of those who work here: our own templates, a strict policy, roles denied by default. They do not decide anything."""
