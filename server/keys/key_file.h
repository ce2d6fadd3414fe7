/*
 * The file of keys: one JSON document, {"keys": [{"name": "ci", "hash": "...", "scopes":
 * ["evaluate"]}, ...]}, with "created", "expires", "requests_per_second" and "bytes_per_second"
 * where they are wanted. Read strictly: what is not understood is an error, and an error says which
 * entry, which member and which value; but never what stands in place of a hash, which may be a
 * key.
 */
#ifndef LOSSD_KEY_FILE_H
#define LOSSD_KEY_FILE_H

#include "key.h"
#include "loss.h"

/* Of the file: some ten thousands of keys. */
#define KEY_FILE_BYTES ((size_t)16 << 20)

/* The keys of a document; they live in the arena. False, and why->detail is a sentence, in one
 * line, without the file's name. No two keys have one name, or one hash. */
bool key_file_parse(const void *text, size_t n, struct loss_arena *arena, struct key_list *list,
		    struct loss_error *why);
/* The same of a file. errno is ENOENT where there is none. */
bool key_file_read(const char *path, struct loss_arena *arena, struct key_list *list,
		   struct loss_error *why);
/* Whether anybody may read the file, or others than its owner write it. */
bool key_file_is_exposed(const char *path);
/* The document of a list, a line for each key. False: no memory. */
bool key_file_write(const struct key_list *list, struct loss_buffer *out);

#endif
