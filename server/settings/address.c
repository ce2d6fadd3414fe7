#include "address.h"

#include <arpa/inet.h>
#include <string.h>

#include "auth/authority.h"
#include "codec/text/decimal.h"
#include "os/activation.h"

#define TLS "tls:"

static bool take(const char **text, size_t *n, const char *word)
{
	size_t length = strlen(word);
	if (*n < length || memcmp(*text, word, length) != 0)
		return false;
	*text += length;
	*n -= length;
	return true;
}

/* ---------------------------------------------------------------- the three kinds */

static bool read_port(const char *text, size_t n, uint16_t *port)
{
	uint64_t value;
	bool good = n <= 5 && decimal_parse(text, n, &value) && value <= UINT16_MAX;
	*port = good ? (uint16_t)value : 0;
	return good;
}

static bool is_host_name(const char *host)
{
	return *host && host[strspn(host, "abcdefghijklmnopqrstuvwxyz"
					  "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-")] == '\0';
}

static bool keep(struct address *address, const char *text, size_t n)
{
	if (n > ADDRESS_MAX_CHARS)
		return false;
	memcpy(address->name, text, n);
	address->name[n] = '\0';
	return true;
}

/* What other programs take for all addresses, and an address that its port can not be told from. */
static const char *advise(const char *host, size_t n)
{
	if (n == 0 || (n == 1 && *host == '*'))
		return "all addresses of the machine are 0.0.0.0:PORT, or [::]:PORT, and this "
		       "machine "
		       "alone is 127.0.0.1:PORT";
	if (strspn(host, "0123456789abcdefABCDEF:") >= n && memchr(host, ':', n))
		return "an address of IPv6 stands in [ and ], like [::1]:8080";
	return NULL;
}

/* What is wrong with it: NULL where it has the form of none. */
static bool read_tcp(struct address *address, const char *text, size_t n, const char **why)
{
	struct in6_addr v6;
	size_t colon = n;
	while (colon > 0 && text[colon - 1] != ':')
		colon--;
	if (colon == 0 || !read_port(text + colon, n - colon, &address->port))
		return false;
	n = colon - 1;
	*why = advise(text, n);
	if (n >= 2 && text[0] == '[' && text[n - 1] == ']')
		return keep(address, text + 1, n - 2) &&
		       inet_pton(AF_INET6, address->name, &v6) == 1;
	return !*why && keep(address, text, n) && is_host_name(address->name);
}

/* Nothing that a line, JSON or a list would have to escape. */
static bool is_plain(const char *text)
{
	for (; *text; text++)
		if ((unsigned char)*text < ' ' || *text == 0x7f || strchr("\"\\", *text))
			return false;
	return true;
}

static bool read_unix(struct address *address, const char *text, size_t n, const char **why)
{
	*why = address->tls              ? "there is no TLS over Unix sockets: leave out tls:"
	       : n > 0 && text[0] == '@' ? "there are no abstract Unix sockets here, which have no "
					   "permissions; it must be a path"
	       : n == 0 || text[0] != '/' ? "the path of a Unix socket must begin with /"
	       : !keep(address, text, n)  ? "the path of a Unix socket may have 107 bytes at most"
	       : !is_plain(address->name) ? "the path of a Unix socket may have no control "
					    "character, quote or backslash"
					  : NULL;
	return !*why;
}
_Static_assert(ADDRESS_MAX_CHARS == 107, "what read_unix says");

static bool read_fd(struct address *address, const char *text, size_t n, const char **why)
{
	bool good = n > 0 && keep(address, text, n) && is_plain(address->name) &&
		    !strchr(address->name, ':');
	*why = good ? NULL
		    : "the name of sockets that are given must have 1 to 107 printable "
		      "characters without colon, comma, quote or backslash";
	return good;
}

/* ---------------------------------------------------------------- one of a list */

static const struct form {
	const char *begins;
	enum address_kind kind;
	bool (*read)(struct address *address, const char *text, size_t n, const char **why);
} forms[] = {
	{"unix:", ADDRESS_UNIX, read_unix},
	{"fd:", ADDRESS_FD, read_fd},
	{"", ADDRESS_TCP, read_tcp}, /* whatever it begins with */
};

bool address_next(const char **list, struct address *address, const char **why)
{
	const char *text = *list;
	size_t n = strcspn(text, ",");
	const char *next = text[n] ? text + n + 1 : NULL;
	const struct form *form = forms;
	*address = (struct address){.written = text, .n_written = (int)n};
	*why = NULL;
	address->tls = take(&text, &n, TLS);
	while (!take(&text, &n, form->begins))
		form++;
	address->kind = form->kind;
	if (!form->read(address, text, n, why))
		return false;
	*list = next;
	return true;
}

/* ---------------------------------------------------------------- lists */

bool address_is_local(const struct address *address)
{
	struct authority host;
	const char *text = address->written;
	size_t n = (size_t)address->n_written;
	if (address->kind != ADDRESS_TCP)
		return address->kind == ADDRESS_UNIX || activation_is_local(address->name);
	take(&text, &n, TLS);
	return authority_split(text, n, &host) && authority_is_loopback(&host);
}

bool addresses_are_local(const char *list)
{
	struct address address;
	const char *why;
	bool local = true;
	while (local && list)
		local = address_next(&list, &address, &why) && address_is_local(&address);
	return local;
}

const char *addresses_find(const char *list, bool tls, int *n)
{
	struct address address;
	const char *why;
	while (list && address_next(&list, &address, &why)) {
		*n = address.n_written;
		if (address.tls == tls)
			return address.written;
	}
	return NULL;
}
