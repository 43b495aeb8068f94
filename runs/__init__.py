"""What a run is: phases, messages, pacing and prices. Pure: no I/O, no clock, no SDK but pydantic."""
