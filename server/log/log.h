/*
 * Lines on standard error, as text or JSON. Control characters in logged values are escaped. Any
 * thread may log. Once the writer runs nobody waits for who reads the lines: they are kept in a
 * ring, a thread writes them, and those for which there is no room are counted (log_lost), which a
 * line says when there is room again. Without the writer they are written at once.
 */
#ifndef LOSSD_LOG_H
#define LOSSD_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARNING, LOG_ERROR };
enum log_format { LOG_TEXT, LOG_JSON };
/* Whose requests get a line: all, none, or those that were answered with an error or not at all. */
enum log_access { LOG_ACCESS_ERRORS, LOG_ACCESS_ON, LOG_ACCESS_OFF };

/* Called once, before threads start. */
void log_start(enum log_level level, enum log_format format);
bool log_enabled(enum log_level level);
/* Another level from now on. Any thread. */
void log_set_level(enum log_level level);

/* Before other threads start. False: there is no thread; lines are written at once, as before. */
bool log_start_writer(void);
/* What has been logged is written, unless nobody takes it within a second. Lines that come later
 * are written at once, or, in that case, lost. The thread that started the writer, when no other
 * one logs any more; nothing is done where there is no writer. */
void log_stop_writer(void);
/* Lines that were lost since the program began. */
uint64_t log_lost(void);

/* A string or a number that goes with a message. */
struct log_field {
	const char *name;
	const char *text; /* NULL: number counts */
	double number;
};

/* message is a fixed text; what varies goes into fields. */
void log_event(enum log_level level, const char *message, const struct log_field *fields, size_t n);
/* Of level info, and said whatever the level is: what who started the program waits for. */
void log_notice(const char *message, const struct log_field *fields, size_t n);

#endif
