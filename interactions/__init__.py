"""A typed client of the Gemini Interactions API: one call is one request."""
