/* Signals as something to wait for. One set for the process. */
#ifndef LOSSD_SIGNALS_H
#define LOSSD_SIGNALS_H

#include <stdbool.h>

/*
 * SIGTERM, SIGINT and SIGHUP are from now on reported by signals_wait, and SIGPIPE and SIGXFSZ are
 * ignored. A second SIGTERM or SIGINT ends the process at once, with exit code 1, whatever it is
 * doing. Before threads start; they are blocked until signals_take. False on failure.
 */
bool signals_start(void);
/* The main thread takes them, once all other threads run; those, which were started while signals
 * were blocked, never do. */
void signals_take(void);
/* The next signal, one to stop before others and several of a kind as one, or 0 when timeout_ms
 * have passed, or a little before; -1 waits for ever. The main thread only. */
int signals_wait(int timeout_ms);

#endif
