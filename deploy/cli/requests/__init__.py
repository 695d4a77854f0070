"""Commands that call the server or evaluate what it recommended."""
