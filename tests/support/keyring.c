#include "keyring.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "../../server/keys/key.h"

#define N_TEXTS 16
#define TEXT_SIZE 1024

static char *next_text(void)
{
	static _Thread_local char texts[N_TEXTS][TEXT_SIZE];
	static _Thread_local int next;
	return texts[next++ % N_TEXTS];
}

const char *keyring_entry(const char *name, const char *rest)
{
	return keyring_alias(name, name, rest);
}

const char *keyring_alias(const char *alias, const char *name, const char *rest)
{
	unsigned char hash[KEY_HASH_BYTES];
	char key[256], hex[2 * KEY_HASH_BYTES + 1], *text = next_text();
	snprintf(key, sizeof key, "lossd_%s", name);
	assert_true(key_hash(key, strlen(key), hash));
	for (size_t i = 0; i < KEY_HASH_BYTES; i++)
		snprintf(hex + 2 * i, 3, "%02x", hash[i]);
	snprintf(text, TEXT_SIZE, "{\"name\": \"%s\", \"hash\": \"%s\", %s}", alias, hex, rest);
	return text;
}

void keyring_write(const char *path, const char *const *entries)
{
	char other[TEXT_SIZE];
	snprintf(other, sizeof other, "%s.other", path);
	FILE *file = fopen(other, "w");
	assert_non_null(file);
	fputs("{\"keys\": [", file);
	for (size_t i = 0; entries[i]; i++)
		fprintf(file, "%s%s", i > 0 ? ",\n" : "", entries[i]);
	fputs("]}\n", file);
	assert_int_equal(fclose(file), 0);
	assert_int_equal(rename(other, path), 0);
}

const char *keyring_header(const char *name)
{
	char *text = next_text();
	snprintf(text, TEXT_SIZE, "Authorization: Bearer lossd_%s", name);
	return text;
}

int keyring_send(struct client *client, const char *method, const char *path, const char *name,
		 const char *body, struct reply *reply)
{
	const char *const headers[] = {body ? "Content-Type: application/json" : "X-Nothing: 0",
				       name ? keyring_header(name) : NULL, NULL};
	struct reply own;
	client_send(
		client,
		&(struct request){.method = method, .path = path, .headers = headers, .body = body},
		reply ? reply : &own);
	int status = reply ? reply->status : own.status;
	if (!reply)
		reply_free(&own);
	return status;
}
