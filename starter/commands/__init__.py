"""What each subcommand does. Imported only when it runs, since Temporal's library takes its time to load."""
