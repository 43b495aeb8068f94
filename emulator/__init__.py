"""The Interactions API, offline: a standalone service that shares no code with the client."""
