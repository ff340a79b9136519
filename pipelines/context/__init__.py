"""What the model is shown of a conversation: restored from the store, kept within a budget, summed up."""
