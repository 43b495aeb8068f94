"""Files a run leaves behind: where they are kept and how a report is rendered."""
