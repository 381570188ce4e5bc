"""The door for other people's assistants: the registry's verbs over the Model Context Protocol. It does not know a rule."""
