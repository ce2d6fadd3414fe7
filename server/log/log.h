/*
 * Lines on standard error, as text or JSON. Control characters in logged values are escaped. Any
 * thread may log; a line is one write.
 */
#ifndef LOSSD_LOG_H
#define LOSSD_LOG_H

#include <stdbool.h>
#include <stddef.h>

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARNING, LOG_ERROR };
enum log_format { LOG_TEXT, LOG_JSON };

/* Called once, before threads start. */
void log_start(enum log_level level, enum log_format format);
bool log_enabled(enum log_level level);

/* A string or a number that goes with a message. */
struct log_field {
	const char *name;
	const char *text; /* NULL: number counts */
	double number;
};

/* message is a fixed text; what varies goes into fields. */
void log_event(enum log_level level, const char *message, const struct log_field *fields, size_t n);

#endif
