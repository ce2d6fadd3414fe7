#include "log.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <time.h>
#include <unistd.h>

#include "log_line.h"
#include "log_ring.h"

/* Who reads the lines gets so long to take what is left when the program ends. */
#define STOP_SECONDS 1

static atomic_int least_level = LOG_INFO; /* enum log_level */
static enum log_format line_format = LOG_TEXT;

/* The mutex guards the rest but the thread, which belongs to who starts and stops it; before the
 * thread starts nobody else is there. */
static struct writer {
	pthread_t thread;
	pthread_mutex_t mutex;
	pthread_cond_t filled, ended;
	bool runs, stops, has_ended;
	uint64_t told; /* of ring.lost, as far as a line has said it */
	struct log_ring ring;
} writer = {
	.mutex = PTHREAD_MUTEX_INITIALIZER,
	.filled = PTHREAD_COND_INITIALIZER,
	.ended = PTHREAD_COND_INITIALIZER,
};

void log_start(enum log_level level, enum log_format format)
{
	log_set_level(level);
	line_format = format;
}

bool log_enabled(enum log_level level)
{
	return (int)level >= atomic_load_explicit(&least_level, memory_order_relaxed);
}

void log_set_level(enum log_level level)
{
	atomic_store(&least_level, (int)level);
}

/* True when it is worth another try. */
static bool may_write_again(void)
{
	struct pollfd state = {.fd = STDERR_FILENO, .events = POLLOUT};
	if (errno == EAGAIN)
		poll(&state, 1, -1);
	return errno == EAGAIN || errno == EINTR;
}

/* What can not be written (a full disk, a closed pipe) is lost: there is nowhere to say so.
 * Returns how many lines were. */
static size_t write_lines(const char *bytes, size_t size)
{
	size_t n = 0, lost = 0;
	while (n < size) {
		ssize_t wrote = write(STDERR_FILENO, bytes + n, size - n);
		if (wrote < 0 && !may_write_again())
			break;
		n += wrote > 0 ? (size_t)wrote : 0;
	}
	for (; n < size; n++)
		lost += bytes[n] == '\n';
	return lost;
}

/* ---------------------------------------------------------------- the writer */

/* Waits for lines, and takes as many as are written in one piece; 0: none waits. Then, and only
 * then, *lost is how many were lost after all that has been written. */
static size_t take_lines(char *out, size_t size, uint64_t *lost)
{
	pthread_mutex_lock(&writer.mutex);
	while (writer.ring.size == 0 && writer.ring.lost == writer.told && !writer.stops)
		pthread_cond_wait(&writer.filled, &writer.mutex);
	size_t n = log_ring_take(&writer.ring, out, size);
	*lost = n == 0 ? writer.ring.lost - writer.told : 0;
	writer.told += *lost;
	pthread_mutex_unlock(&writer.mutex);
	return n;
}

static void tell_lost(uint64_t lost)
{
	struct log_line line;
	const struct log_field field = {"lines", NULL, (double)lost};
	log_line_compose(&line, line_format, LOG_WARNING, "lines were lost here", &field, 1);
	write_lines(line.bytes, line.size);
}

/* Those that could not be written: what is said of them could not be either. */
static void note_lost(size_t n)
{
	pthread_mutex_lock(&writer.mutex);
	writer.ring.lost += n;
	writer.told += n;
	pthread_mutex_unlock(&writer.mutex);
}

static void *write_them_all(void *argument)
{
	char bytes[LOG_LINE_BYTES];
	uint64_t lost;
	(void)argument;
	for (;;) {
		size_t n = take_lines(bytes, sizeof bytes, &lost);
		if (n == 0 && lost == 0)
			break;
		note_lost(write_lines(bytes, n));
		if (lost > 0)
			tell_lost(lost);
	}
	pthread_mutex_lock(&writer.mutex);
	writer.has_ended = true;
	pthread_cond_signal(&writer.ended);
	pthread_mutex_unlock(&writer.mutex);
	return NULL;
}

bool log_start_writer(void)
{
	writer.stops = writer.has_ended = false;
	writer.runs = pthread_create(&writer.thread, NULL, write_them_all, NULL) == 0;
	return writer.runs;
}

void log_stop_writer(void)
{
	struct timespec end;
	if (!writer.runs)
		return;
	clock_gettime(CLOCK_REALTIME, &end);
	end.tv_sec += STOP_SECONDS;
	pthread_mutex_lock(&writer.mutex);
	writer.stops = true;
	pthread_cond_signal(&writer.filled);
	while (!writer.has_ended &&
	       pthread_cond_timedwait(&writer.ended, &writer.mutex, &end) != ETIMEDOUT)
		;
	/* Where nobody reads, who wrote at once would wait for ever: later lines wait, or are lost.
	 */
	bool ended = writer.has_ended;
	writer.runs = !ended;
	pthread_mutex_unlock(&writer.mutex);
	if (ended)
		pthread_join(writer.thread, NULL);
	else
		pthread_detach(writer.thread);
}

uint64_t log_lost(void)
{
	pthread_mutex_lock(&writer.mutex);
	uint64_t lost = writer.ring.lost;
	pthread_mutex_unlock(&writer.mutex);
	return lost;
}

/* ---------------------------------------------------------------- lines */

/* False: there is no writer. After a line that was lost all are, until that has been told: so it is
 * told in its place. */
static bool give_to_writer(const struct log_line *line)
{
	pthread_mutex_lock(&writer.mutex);
	bool runs = writer.runs, losing = writer.ring.lost > writer.told;
	if (runs && losing)
		writer.ring.lost++;
	else if (runs && log_ring_put(&writer.ring, line->bytes, line->size))
		pthread_cond_signal(&writer.filled);
	pthread_mutex_unlock(&writer.mutex);
	return runs;
}

static void say(enum log_level level, const char *message, const struct log_field *fields, size_t n)
{
	int kept = errno; /* who logs an error often looks at errno afterwards */
	struct log_line line;
	log_line_compose(&line, line_format, level, message, fields, n);
	if (!give_to_writer(&line))
		write_lines(line.bytes, line.size);
	errno = kept;
}

void log_event(enum log_level level, const char *message, const struct log_field *fields, size_t n)
{
	if (log_enabled(level))
		say(level, message, fields, n);
}

void log_notice(const char *message, const struct log_field *fields, size_t n)
{
	say(LOG_INFO, message, fields, n);
}
