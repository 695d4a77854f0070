"""Console: a page in the browser on which one user's lists, events, features and the health of it all can be watched."""
