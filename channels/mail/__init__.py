"""E-mail: what leaves the house as letters with vouchers, and what comes back as a provider's or a traveler's answer."""
