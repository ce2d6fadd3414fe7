/*
 * What a service manager that started the program is told: the protocol of systemd's services
 * (NOTIFY_SOCKET, WATCHDOG_USEC, WATCHDOG_PID). Where there is none nothing is done, and what can
 * not be told is lost. The main thread.
 */
#ifndef LOSSD_NOTIFY_H
#define LOSSD_NOTIFY_H

#include <stdbool.h>

/* Takes the variables out of the environment. Once, before there are threads. */
void notify_start(void);
/* Lines of "NAME=value": "READY=1\nSTATUS=ready". Nobody waits for a manager that has no room for
 * them: notify and notify_alive try again. */
__attribute__((format(printf, 1, 2))) void notify(const char *format, ...);

/* How long to sleep at most, of `ms`, so that notify_alive is called in time. */
int notify_sleep_ms(int ms);
/* Tells what could not be told before, and that the program is alive, when it is time to, twice as
 * often as it is asked for; unless it is not, upon which the manager ends it. */
void notify_alive(bool alive);

#endif
