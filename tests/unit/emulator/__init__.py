"""The emulator's laws."""
