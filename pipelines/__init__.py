"""One call's conversation on Pipecat: building it, turn-taking, media in and out, tools."""
