/* Small control documents (codec/json/control.h): the body alone. */
#include <string.h>

#include "../../../server/codec/json/control.h"
#include "driver.h"

struct values {
	char key[16];
	uint64_t offset, byte_size;
	bool flag;
};

/* The document, with white space after it where asked for. */
static void read_document(const struct fuzz_input *input, const char *space, struct values *values,
			  struct loss_error *err)
{
	const struct control_field fields[] = {
		{"key", CONTROL_TEXT, true, values->key, sizeof values->key},
		{"offset", CONTROL_SIZE, false, &values->offset, 0},
		{"byte_size", CONTROL_SIZE, false, &values->byte_size, 0},
		{"unload_dependents", CONTROL_FLAG, false, &values->flag, 0},
		{"parameters", CONTROL_OBJECT, false, NULL, 0},
	};
	struct loss_arena *arena = loss_arena_create(NULL);
	struct loss_buffer *body = arena ? loss_buffer_create(arena) : NULL;
	memset(values, 0, sizeof *values);
	memset(err, 0, sizeof *err);
	fuzz_check(body && loss_buffer_append(body, input->bytes, input->n) &&
			   loss_buffer_append(body, space, strlen(space)),
		   "no memory for a body");
	loss_status status = control_read(body, fields, sizeof fields / sizeof *fields, err);
	fuzz_check(status == err->status, "status %d, but error %d", (int)status, (int)err->status);
	loss_arena_destroy(arena);
}

void fuzz_control(const unsigned char *bytes, size_t n)
{
	const struct fuzz_input input = {bytes, n};
	struct values values, again;
	struct loss_error err, other;
	read_document(&input, "", &values, &err);
	read_document(&input, "\n \t", &again, &other);
	fuzz_check(memchr(values.key, 0, sizeof values.key) != NULL, "the key does not end");
	if (err.status == LOSS_OK) {
		fuzz_check(other.status == LOSS_OK, "white space after it: %s", other.detail);
		fuzz_check(memcmp(&values, &again, sizeof values) == 0, "other values");
	}
	if (err.status != LOSS_OK)
		fuzz_check_error(&err, "");
}
