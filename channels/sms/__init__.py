"""Text messages: what is urgent for providers, in as few parts as it takes, and their answers to it."""
