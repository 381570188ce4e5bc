"""Logs: one line an event, plain tracebacks. Never the values of variables, which may hold what a traveler typed."""

from __future__ import annotations

import logging
import sys

import structlog


def set_up(*, json_lines: bool = False, level: int = logging.INFO) -> None:
    """Configure structlog for this process; warnings of libraries go the same way to stderr."""
    renderer = (
        structlog.processors.JSONRenderer()
        if json_lines
        else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback)
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            *([structlog.processors.format_exc_info] if json_lines else []),
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=lambda *_: structlog.PrintLogger(sys.stderr),  # the stderr of the moment, which may have been replaced
        cache_logger_on_first_use=False,
    )
