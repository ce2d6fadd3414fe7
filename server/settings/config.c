#include "config.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "loss.h"

const char *const config_isas[] = {"auto", "base", "avx2", "avx512", "neon", NULL};

const char *config_isa(const struct config *config)
{
	return config->isa == 0 ? NULL : loss_isa_find(config_isas[config->isa]);
}

/* ---------------------------------------------------------------- addresses */

bool config_listener(const char *listen, size_t i, char out[CONFIG_LISTEN_SIZE])
{
	size_t n = strcspn(listen, ",");
	for (; i > 0 && listen[n] == ','; i--) {
		listen += n + 1;
		n = strcspn(listen, ",");
	}
	if (i > 0 || n >= CONFIG_LISTEN_SIZE)
		return false;
	memcpy(out, listen, n);
	out[n] = '\0';
	return true;
}

static bool parse_port(const char *text, uint16_t *port)
{
	unsigned value = 0;
	size_t n = strlen(text);
	if (n < 1 || n > 5)
		return false;
	for (size_t i = 0; i < n; i++) {
		if (!isdigit((unsigned char)text[i]))
			return false;
		value = value * 10 + (unsigned)(text[i] - '0');
	}
	*port = (uint16_t)value;
	return value <= UINT16_MAX;
}

static bool is_host_name(const char *host)
{
	size_t n = strlen(host);
	return n > 0 && strspn(host, "abcdefghijklmnopqrstuvwxyz"
				     "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-") == n;
}

bool config_split_listen(const char *listen, char *host, size_t host_size, uint16_t *port)
{
	struct in6_addr address;
	const char *colon = strrchr(listen, ':');
	if (!colon || !parse_port(colon + 1, port))
		return false;
	size_t n = (size_t)(colon - listen);
	bool brackets = n >= 2 && listen[0] == '[' && listen[n - 1] == ']';
	if (brackets) {
		listen++;
		n -= 2;
	}
	if (n >= host_size)
		return false;
	memcpy(host, listen, n);
	host[n] = '\0';
	return brackets ? inet_pton(AF_INET6, host, &address) == 1 : is_host_name(host);
}

/* ---------------------------------------------------------------- messages */

void config_complain(const char *format, ...)
{
	char line[1024];
	va_list args;
	va_start(args, format);
	vsnprintf(line, sizeof line, format, args);
	va_end(args);
	fprintf(stderr, "lossd: %s\n", line);
}

const char *config_show(const char *value, char *out, size_t size)
{
	size_t n = strlen(value);
	snprintf(out, size, "%s", value);
	if (n >= size)
		memcpy(out + size - 4, "...", 4);
	for (char *at = out; *at; at++)
		if ((unsigned char)*at < 0x20 || (unsigned char)*at == 0x7f)
			*at = '?';
	return out;
}
