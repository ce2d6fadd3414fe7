#include "shm_rules.h"

#include <stddef.h>
#include <string.h>

#include "codec/text/decimal.h"

#define KEY_CHARACTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-"

static bool is_key_text(const char *text)
{
	size_t n = strspn(text, KEY_CHARACTERS);
	return n > 0 && n <= SHM_NAME_MAX && text[n] == '\0';
}

static const char *behind_slash(const char *key)
{
	return *key == '/' ? key + 1 : key;
}

bool shm_is_prefix(const char *text)
{
	return is_key_text(text);
}

bool shm_is_on(const char *prefix)
{
	return strcmp(prefix, "none") != 0;
}

bool shm_is_key(const char *key)
{
	return strnlen(key, SHM_NAME_MAX + 1) <= SHM_NAME_MAX && is_key_text(behind_slash(key));
}

bool shm_key_allowed(const char *prefix, const char *key)
{
	return shm_is_on(prefix) && strncmp(behind_slash(key), prefix, strlen(prefix)) == 0;
}

bool shm_is_name(const char *name)
{
	size_t n = 0;
	for (; name[n] != '\0'; n++)
		if (n == SHM_NAME_MAX || name[n] < 0x20 || name[n] > 0x7e)
			return false;
	return n > 0;
}

/* ---------------------------------------------------------------- owners */

/* Takes one user id off the front of a list, and the comma after it. */
static bool take_uid(const char **list, uint32_t *uid)
{
	uint64_t value;
	const char *at = *list + decimal_read(*list, strlen(*list), &value);
	if (at == *list || value > UINT32_MAX || (*at != '\0' && *at != ','))
		return false;
	/* A comma has another one after it. */
	if (*at == ',' && *++at == '\0')
		return false;
	*list = at;
	*uid = (uint32_t)value;
	return true;
}

bool shm_is_owners(const char *text)
{
	uint32_t uid;
	if (strcmp(text, "self") == 0)
		return true;
	do {
		if (!take_uid(&text, &uid))
			return false;
	} while (*text != '\0');
	return true;
}

bool shm_owner_allowed(const char *owners, uint32_t uid, uint32_t self)
{
	uint32_t listed;
	if (uid == self)
		return true;
	while (*owners != '\0' && take_uid(&owners, &listed))
		if (listed == uid)
			return true;
	return false;
}
