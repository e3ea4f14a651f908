"""Options, keys and secrets: what the user says, before anything is done with it.

Start with `options`: every option is declared there once, for the command, its help, the environment and Python.
`keys` knows where keys come from and where a new one is kept, `environment` the variables that no option has,
`scrubbing` how keys are taken out of foreign words. Nothing here knows what an option does.
"""
