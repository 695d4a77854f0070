"""The gRPC servicer, its conversion, errors and authentication."""
