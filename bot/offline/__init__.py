"""The embedded planner: it reads what a traveler wrote, decides the next tool call and phrases the answer, with no network and no key."""
