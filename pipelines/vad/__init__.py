"""Who speaks and whether they have finished: the models, shared by all calls of a process."""
