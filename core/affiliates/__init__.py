"""Partners' links: built from data, counted by clicks, imported as conversions. It never ranks by commission."""
