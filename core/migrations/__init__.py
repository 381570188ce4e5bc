"""The schema's history, one file a change, for SQLite and PostgreSQL alike."""
