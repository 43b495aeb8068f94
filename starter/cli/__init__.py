"""What can be typed: the arguments and options of each command. What they do is in `starter.commands`."""
