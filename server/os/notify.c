#include "notify.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "clock.h"
#include "variable.h"

#define MESSAGE_SIZE 2048
#define NS_PER_MS UINT64_C(1000000)
static struct {
	int fd; /* opened at once: later there may be no descriptors left */
	struct sockaddr_un address;
	socklen_t size;
	uint64_t every_ns; /* the watchdog's half; 0: there is none */
	uint64_t due_ns;
	/* Lines that the manager had no room for yet. Nobody waits for it. */
	char waiting[MESSAGE_SIZE];
	size_t n_waiting;
} manager = {.fd = -1};

/* A path, or "@name" of an abstract socket. */
static bool take_address(const char *text)
{
	size_t n = text ? strlen(text) : 0;
	if (n < 2 || n >= sizeof manager.address.sun_path || !strchr("/@", text[0]))
		return false;
	manager.address = (struct sockaddr_un){.sun_family = AF_UNIX};
	memcpy(manager.address.sun_path, text, n);
	if (text[0] == '@')
		manager.address.sun_path[0] = '\0';
	manager.size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n);
	return true;
}

static void take_watchdog(void)
{
	uint64_t usec, pid;
	variable_number("WATCHDOG_USEC", &usec);
	variable_number("WATCHDOG_PID", &pid);
	bool ours = !getenv("WATCHDOG_PID") || pid == (uint64_t)getpid();
	manager.every_ns = ours && usec < UINT64_MAX / 1000 ? usec * 1000 / 2 : 0;
	manager.due_ns = 0;
}

void notify_start(void)
{
	if (take_address(getenv("NOTIFY_SOCKET"))) {
		manager.fd = socket(AF_UNIX, SOCK_DGRAM, 0);
		take_watchdog();
	}
	if (manager.fd >= 0)
		fcntl(manager.fd, F_SETFD, FD_CLOEXEC);
	manager.n_waiting = 0;
	unsetenv("NOTIFY_SOCKET");
	unsetenv("WATCHDOG_USEC");
	unsetenv("WATCHDOG_PID");
}

/* False: there is no room for it now. What can not be told at all is as good as told. */
static bool tell(const char *message, size_t n)
{
	ssize_t sent;
	do
		sent = sendto(manager.fd, message, n, MSG_NOSIGNAL | MSG_DONTWAIT,
			      (const struct sockaddr *)&manager.address, manager.size);
	while (sent < 0 && errno == EINTR);
	return sent >= 0 || (errno != EAGAIN && errno != EWOULDBLOCK && errno != ENOBUFS);
}

static bool tell_what_waits(void)
{
	if (manager.n_waiting > 0 && tell(manager.waiting, manager.n_waiting))
		manager.n_waiting = 0;
	return manager.n_waiting == 0;
}

/* After what waits, so that the last word on each thing stays the last; where that has become too
 * long, the newer is what counts. */
static void keep(const char *message, size_t n)
{
	size_t before = manager.n_waiting;
	if (before + 1 + n > sizeof manager.waiting)
		before = 0;
	if (before > 0)
		manager.waiting[before++] = '\n';
	memcpy(manager.waiting + before, message, n);
	manager.n_waiting = before + n;
}

void notify(const char *format, ...)
{
	char message[MESSAGE_SIZE];
	va_list args;
	if (manager.fd < 0)
		return;
	va_start(args, format);
	int n = vsnprintf(message, sizeof message, format, args);
	va_end(args);
	if (n > 0 && n < (int)sizeof message && !(tell_what_waits() && tell(message, (size_t)n)))
		keep(message, (size_t)n);
}

int notify_sleep_ms(int ms)
{
	uint64_t now = clock_ns();
	if (manager.fd < 0 || manager.every_ns == 0)
		return ms;
	if (manager.due_ns <= now)
		return 0;
	uint64_t left = (manager.due_ns - now + NS_PER_MS - 1) / NS_PER_MS;
	return left < (uint64_t)ms ? (int)left : ms;
}

void notify_alive(bool alive)
{
	uint64_t now = clock_ns();
	if (manager.fd < 0)
		return;
	bool told = tell_what_waits();
	if (manager.every_ns == 0 || now < manager.due_ns)
		return;
	manager.due_ns = now + manager.every_ns;
	/* A manager that has not taken what it was told has no room for this. */
	if (alive && told)
		notify("WATCHDOG=1");
}
