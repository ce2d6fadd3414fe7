#include "authority.h"

#include <arpa/inet.h>
#include <string.h>
#include <strings.h>

#define MAX_PORT_DIGITS 5

/* Where the host ends; 0 where there is none. */
static size_t host_size(const char *text, size_t n)
{
	if (n > 0 && text[0] == '[') {
		const char *end = memchr(text, ']', n);
		return end ? (size_t)(end - text) + 1 : 0;
	}
	const char *colon = memchr(text, ':', n);
	return colon ? (size_t)(colon - text) : n;
}

static bool is_port(const char *text, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (text[i] < '0' || text[i] > '9')
			return false;
	return n <= MAX_PORT_DIGITS;
}

bool authority_split(const char *text, size_t n, struct authority *authority)
{
	size_t host = host_size(text, n);
	size_t port = host < n ? host + 1 : n;
	*authority = (struct authority){text, host, text + port, n - port};
	if (host > 1 && text[host - 1] == '.')
		authority->n_host--;
	return host > 0 && (host == n || text[host] == ':') && is_port(text + port, n - port);
}

bool authority_same_host(const struct authority *a, const struct authority *b)
{
	return a->n_host == b->n_host && strncasecmp(a->host, b->host, a->n_host) == 0;
}

bool authority_same_port(const struct authority *a, const struct authority *b, const char *fallback)
{
	size_t n_fallback = fallback ? strlen(fallback) : 0;
	if (!fallback && (a->n_port == 0 || b->n_port == 0))
		return false;
	const char *x = a->n_port ? a->port : fallback, *y = b->n_port ? b->port : fallback;
	size_t n = a->n_port ? a->n_port : n_fallback;
	return n == (b->n_port ? b->n_port : n_fallback) && (n == 0 || memcmp(x, y, n) == 0);
}

static bool is_loopback_address(const char *text)
{
	struct in_addr v4;
	return inet_pton(AF_INET, text, &v4) == 1 && ntohl(v4.s_addr) >> 24 == 127;
}

static bool is_loopback_address_6(char *text, size_t n)
{
	struct in6_addr v6;
	if (n < 2 || text[0] != '[')
		return false;
	text[n - 1] = '\0';
	return inet_pton(AF_INET6, text + 1, &v6) == 1 && IN6_IS_ADDR_LOOPBACK(&v6);
}

bool authority_is_loopback(const struct authority *authority)
{
	static const char name[] = ".localhost";
	char text[INET6_ADDRSTRLEN + 2];
	size_t n = authority->n_host, n_name = sizeof name - 1;
	if (n == n_name - 1 && strncasecmp(authority->host, name + 1, n) == 0)
		return true;
	if (n > n_name && strncasecmp(authority->host + n - n_name, name, n_name) == 0)
		return true;
	if (n >= sizeof text)
		return false;
	memcpy(text, authority->host, n);
	text[n] = '\0';
	return is_loopback_address(text) || is_loopback_address_6(text, n);
}
