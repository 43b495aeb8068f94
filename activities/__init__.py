"""Side effects of a run: each activity wraps one thing that can fail by itself."""
