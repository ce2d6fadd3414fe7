/* One line of the log, as text or JSON, on the caller's stack. */
#ifndef LOSSD_LOG_LINE_H
#define LOSSD_LOG_LINE_H

#include "log.h"

/* Of the longest, its newline included: what a pipe takes in one piece (PIPE_BUF). */
#define LOG_LINE_BYTES 4096

/* What does not fit is left out, and the line says so. */
struct log_line {
	enum log_format format;
	size_t size;
	bool cut;
	char bytes[LOG_LINE_BYTES];
};

/* Control characters in values are escaped, and what is not UTF-8. */
void log_line_compose(struct log_line *line, enum log_format format, enum log_level level,
		      const char *message, const struct log_field *fields, size_t n);

#endif
