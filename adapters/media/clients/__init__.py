"""The phone system's side of every media protocol, one file each: for the replay harness, the demo and the tests."""
