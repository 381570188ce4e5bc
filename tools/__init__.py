"""The verbs a model may use, by role, and how a result is said to a model. It does not know how a rule decides."""
