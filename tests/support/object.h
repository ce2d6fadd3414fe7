/*
 * A client's side of shared memory: objects with keys of this process alone, that begin with
 * object_prefix(). What fails of it fails the running test.
 */
#ifndef TESTS_OBJECT_H
#define TESTS_OBJECT_H

#include <stddef.h>

struct object {
	char key[64];
	int fd;
	unsigned char *data; /* all of it, as it was at first */
	size_t size;
};

/* "lossd_test_PID_" */
const char *object_prefix(void);
/* Makes an object of `size` zeros, whose key is "/", the prefix and the name. */
void object_create(struct object *object, const char *name, size_t size);
/* Cuts it, or makes it longer. `data` after the new end must not be touched. */
void object_resize(struct object *object, size_t size);
/* How often it is mapped in this process, `data` included. */
size_t object_mappings(const struct object *object);
/* Takes its key and this process's mapping away. */
void object_destroy(struct object *object);

struct client;
/* Registers bytes of the object of that key with the client's server, under that name. */
void object_register(struct client *client, const char *name, const char *key, size_t offset,
		     size_t byte_size);
/* "parameters": {...} of a tensor in a region; three more calls leave the text as it is. */
const char *object_place(const char *region, size_t offset, size_t byte_size);

#endif
