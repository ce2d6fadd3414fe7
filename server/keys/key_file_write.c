/* The document of a list of keys: key_file.h. */
#include "codec/json/json_out.h"
#include "codec/text/hex.h"
#include "date.h"
#include "key_file.h"

static void put_hash(struct json_out *out, const unsigned char *hash)
{
	char text[2 * KEY_HASH_BYTES + 1];
	hex_write(hash, KEY_HASH_BYTES, text);
	json_out_string_member(out, "hash", text);
}

static void put_date(struct json_out *out, const char *name, int64_t seconds)
{
	char text[DATE_SIZE];
	if (seconds != KEY_NO_TIME)
		json_out_string_member(out, name, date_write(seconds, text));
}

static void put_rate(struct json_out *out, const char *name, uint64_t rate)
{
	if (rate > 0)
		json_out_size_member(out, name, (size_t)rate);
}

static void put_scopes(struct json_out *out, unsigned scopes)
{
	json_out_key(out, "scopes");
	json_out_open(out, '[');
	for (int i = 0; i < KEY_N_SCOPES; i++)
		if (scopes >> i & 1)
			json_out_string(out, key_scopes[i]);
	json_out_close(out, ']');
}

static bool put_key(struct loss_buffer *buffer, const struct key *key)
{
	struct json_out out;
	json_out_start(&out, buffer);
	json_out_open(&out, '{');
	json_out_string_member(&out, "name", key->name);
	put_hash(&out, key->hash);
	put_scopes(&out, key->scopes);
	put_date(&out, "created", key->created);
	put_date(&out, "expires", key->expires);
	put_rate(&out, "requests_per_second", key->requests_per_second);
	put_rate(&out, "bytes_per_second", key->bytes_per_second);
	json_out_close(&out, '}');
	return !out.failed;
}

bool key_file_write(const struct key_list *list, struct loss_buffer *out)
{
	static const char start[] = "{\"keys\": [", comma[] = ",", line[] = "\n", end[] = "]}\n";
	bool good = loss_buffer_append(out, start, sizeof start - 1);
	for (size_t i = 0; good && i < list->n; i++)
		good = (i == 0 || loss_buffer_append(out, comma, 1)) &&
		       loss_buffer_append(out, line, 1) && put_key(out, &list->keys[i]);
	return good && (list->n == 0 || loss_buffer_append(out, line, 1)) &&
	       loss_buffer_append(out, end, sizeof end - 1);
}
