"""`frontune doctor`: whether this machine can run sweeps, and whether what a workspace remembers agrees."""
