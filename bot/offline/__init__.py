"""The embedded planner: understand (grammar, catalogue), decide, phrase. It needs no key, no network and no training."""
