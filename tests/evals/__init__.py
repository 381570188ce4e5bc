"""Outside measures of the conversation: adapters that let corpora we do not own talk to the real planner, turn and engine."""
