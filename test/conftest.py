"""What all tests rely on."""

import signal

# Started in the background of a script, a process inherits that SIGINT is ignored, and so would
# the programs that tests interrupt. With a handler here they start with the default.
signal.signal(signal.SIGINT, signal.default_int_handler)
