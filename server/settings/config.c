#include "config.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "codec/text/utf8.h"
#include "loss.h"

const char *const config_isas[] = {"auto", "base", "avx2", "avx512", "neon", NULL};

const char *config_isa(const struct config *config)
{
	return config->isa == 0 ? NULL : loss_isa_find(config_isas[config->isa]);
}

const char *config_spool_directory(const struct config *config)
{
	const char *system = getenv("TMPDIR");
	if (strcmp(config->spool_directory, "auto") != 0)
		return config->spool_directory;
	return system && *system ? system : "/tmp";
}

bool config_is_set(const char *value)
{
	return strcmp(value, "none") != 0;
}

unsigned config_mode(const struct config *config)
{
	return (unsigned)strtoul(config->unix_socket_mode, NULL, 8);
}

/* ---------------------------------------------------------------- messages */

static void (*sayer)(const char *sentence);

void config_complain_to(void (*say)(const char *sentence))
{
	sayer = say;
}

void config_complain(const char *format, ...)
{
	char line[1024];
	va_list args;
	va_start(args, format);
	vsnprintf(line, sizeof line, format, args);
	va_end(args);
	if (sayer)
		sayer(line);
	else
		fprintf(stderr, "lossd: %s\n", line);
}

const char *config_show(const char *value, char *out, size_t size)
{
	size_t n = strlen(value);
	snprintf(out, size, "%s", value);
	if (n >= size)
		memcpy(out + size - 4, "...", 4);
	utf8_tame(out);
	return out;
}
