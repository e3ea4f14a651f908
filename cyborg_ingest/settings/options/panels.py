"""The headings that options stand under in `--help`."""

TARGET, COLUMNS, ROWS = "Target and keys", "Columns and formats", "Choosing rows"
CREATE = "Creating the index"
SENDING, SAFETY, OUTPUT = "Sending", "Safety", "Output"
HEARD = "Who hears of it"
SCHEDULE = "When and as what"
