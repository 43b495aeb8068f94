"""What a chain of steps is: its file, its templates, and what may start when. Pure but for reading YAML."""
