"""A mail server for the fresh machine: it takes every letter over SMTP, keeps it, and has a page that shows and answers it."""
