"""Stand-ins for the outside world on its real wire protocols, for machines without keys. They know nothing of our tables."""
