"""Bad luck in bulk: crashes, outages and broken networks, and what they cost. Run by ``make chaos``."""
