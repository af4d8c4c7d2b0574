"""`frontune report`: all that a sweep found, in one HTML file for a colleague."""
