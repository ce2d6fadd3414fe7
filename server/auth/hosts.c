#include "hosts.h"

#include <arpa/inet.h>
#include <string.h>
#include <strings.h>

#include "authority.h"

#define ANY "*"
#define LOOPBACK "loopback"

static bool is_word(const char *text, size_t n, const char *word)
{
	return n == strlen(word) && strncasecmp(text, word, n) == 0;
}

static bool is_name(const char *text, size_t n)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
	for (size_t i = 0; i < n; i++)
		if (!strchr(letters, text[i]) && !strchr("0123456789-._", text[i]))
			return false;
	return n > 0;
}

static bool is_address_6(const char *text, size_t n)
{
	char address[INET6_ADDRSTRLEN];
	struct in6_addr v6;
	if (n < 2 || text[0] != '[' || n - 2 >= sizeof address)
		return false;
	memcpy(address, text + 1, n - 2);
	address[n - 2] = '\0';
	return inet_pton(AF_INET6, address, &v6) == 1;
}

static bool is_entry(const char *text, size_t n)
{
	struct authority entry;
	return !is_word(text, n, HOSTS_AUTO) && !is_word(text, n, "none") &&
	       authority_split(text, n, &entry) &&
	       (is_name(entry.host, entry.n_host) || is_address_6(entry.host, entry.n_host));
}

bool hosts_is_list(const char *text)
{
	if (strcmp(text, HOSTS_AUTO) == 0 || strcmp(text, ANY) == 0)
		return true;
	for (;;) {
		size_t n = strcspn(text, ",");
		if (!is_entry(text, n))
			return false;
		if (text[n] == '\0')
			return true;
		text += n + 1;
	}
}

const char *hosts_auto(bool local)
{
	return local ? LOOPBACK : ANY;
}

/* An entry without a port stands for any. */
static bool matches(const char *text, size_t n, const struct authority *host)
{
	struct authority entry;
	if (is_word(text, n, LOOPBACK))
		return authority_is_loopback(host);
	return authority_split(text, n, &entry) && authority_same_host(&entry, host) &&
	       (entry.n_port == 0 || authority_same_port(&entry, host, NULL));
}

bool hosts_allow(const char *list, const char *host)
{
	struct authority wanted;
	if (strcmp(list, ANY) == 0)
		return true;
	if (!authority_split(host, strlen(host), &wanted))
		return false;
	for (;;) {
		size_t n = strcspn(list, ",");
		if (matches(list, n, &wanted))
			return true;
		if (list[n] == '\0')
			return false;
		list += n + 1;
	}
}
